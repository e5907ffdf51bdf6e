import { Code, ConnectError } from "@connectrpc/connect";
import type { PlugboardError } from "../../base/errors.ts";
import { isPlugboardError } from "../../base/errors.ts";
import type { Keepalive } from "../../call/time/keepalive.ts";
import type { CarrierConnection } from "../carrier.ts";
import { maxDataBytes } from "../limits.ts";
import type { RequestParts } from "../wire/envelope.ts";
import { requestLength, writeRequest } from "../wire/envelope.ts";
import type { Frame } from "../wire/frame.ts";
import { frameFlag, frameType } from "../wire/frame.ts";
import type { FrameLink } from "../wire/frame-link.ts";
import { createFrameLink } from "../wire/frame-link.ts";
import type { PeerWatch } from "../wire/peer-watch.ts";
import { createPeerWatch } from "../wire/peer-watch.ts";
import { createPingResponder } from "../wire/ping.ts";
import { callError } from "./errors.ts";

/** A call in flight, as its connection sees it. */
export interface ClientCall {
  /** A frame for it has come in; `data` is there. */
  frame(frame: Frame & { readonly data: Uint8Array }): void;
  /** Its incoming data can't be taken: it fails, and the server is told, where it can be. */
  refuse(error: ConnectError): void;
  /** It has failed, by what the connection knows. */
  fail(error: ConnectError): void;
}

/** Options of a client's end of a connection. */
export interface ClientConnectionOptions {
  /** The server's address, for messages. */
  readonly address: string;
  /** The cure for a lost connection, where it can't be opened again. Default: it can be. */
  readonly again?: string | undefined;
  /** The last stream id it uses. When that is taken, it ends with its last call. */
  readonly lastId: number;
  /** Called when it has one call less. */
  readonly onRoom: () => void;
  /** Pings that find out that a server that knows our extension has vanished. Default: none. */
  readonly keepalive?: Keepalive | undefined;
}

/** The last stream id of a client that other implementations take, too: theirs are 32 bits with a sign. */
export const maxStreamId = 0x7fffffff;

/** The client's end of a ttrpc connection: opens streams, and hands what comes in to the call it is for. */
export class ClientConnection {
  readonly link: FrameLink;
  readonly #respondToPing: (ping: Frame) => void;
  readonly #peer: PeerWatch;
  readonly #calls = new Map<number, ClientCall>();
  readonly #lastId: number;
  readonly #onRoom: () => void;
  #nextId = 1;
  /** The server takes no more calls on it. */
  #goneAway = false;
  readonly #address: string;
  #ended: ConnectError | undefined;

  constructor(connection: CarrierConnection, { address, again, lastId, onRoom, keepalive }: ClientConnectionOptions) {
    this.#address = address;
    this.#lastId = lastId;
    this.#onRoom = onRoom;
    this.#peer = createPeerWatch(() => this.link, keepalive);
    this.link = createFrameLink(connection, {
      heard: this.#peer.heard,
      frame: (frame) => this.#frame(frame),
      ended: (error) => this.#end(lost({ address, again }, error)),
    });
    this.#respondToPing = createPingResponder(this.link);
    this.link.start();
  }

  /** False if it has ended, has used up its stream ids, or takes no more calls. */
  get usable(): boolean {
    return this.#ended === undefined && this.#nextId <= this.#lastId && !this.#goneAway;
  }

  /** @throws PlugboardError PB-CONNECTION-LOST if it has ended: what it has ended with. */
  throwIfEnded(): void {
    if (this.#ended !== undefined) {
      throw this.#ended;
    }
  }

  /** Calls in flight. */
  get calls(): number {
    return this.#calls.size;
  }

  /** True once it has ended, in whatever way. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /**
   * Sends a request and gives the call a stream of its own. Returns the stream's id.
   * @throws PlugboardError PB-MESSAGE-TOO-LARGE if the request is longer than a frame can be; ConnectError unavailable if
   * the connection has ended.
   */
  open(call: ClientCall, parts: RequestParts, flags: number): number {
    if (this.#ended !== undefined) {
      throw this.#ended;
    }
    const length = requestLength(parts);
    if (length > maxDataBytes) {
      throw requestTooLarge(parts.payload.byteLength, maxDataBytes, " with its envelope");
    }
    const id = this.#nextId;
    this.#nextId += 2;
    const { writer } = this.link;
    const at = writer.begin(length, id, frameType.request, flags);
    writeRequest(writer.bytes, at, parts);
    this.#calls.set(id, call);
    this.link.flush();
    return id;
  }

  /** Forgets a call that has ended; what still comes in for it is ignored. */
  forget(id: number): void {
    this.#calls.delete(id);
    this.#closeIfDone();
    this.#onRoom();
  }

  /** The server responds to pings: a call has asked for our extension. */
  expectPings(): void {
    this.#peer.begin();
  }

  /** Tells the server that a call was cancelled. Only for calls that asked for our extension. */
  cancel(id: number): void {
    if (this.#ended === undefined) {
      this.link.send(id, frameType.cancel, frameFlag.none);
    }
  }

  /** Ends the connection. Calls in flight, and later ones, fail with the reason. */
  close(reason: ConnectError): void {
    this.#end(reason);
    this.link.close();
  }

  #frame(frame: Frame) {
    const { streamId, type, data } = frame;
    if (type === frameType.ping) {
      this.#respondToPing(frame);
      return;
    }
    if (type === frameType.goAway && streamId === 0) {
      this.#goAway(data);
      return;
    }
    const call = this.#calls.get(streamId);
    if (call === undefined) {
      return;
    }
    if (data === undefined) {
      call.refuse(new ConnectError("the response is longer than ttrpc allows", Code.ResourceExhausted));
    } else {
      call.frame(frame as Frame & { readonly data: Uint8Array });
    }
  }

  /** The server takes no more calls: those after the last that it has taken were not carried out. */
  #goAway(data: Uint8Array | undefined) {
    if (data?.byteLength !== 4) {
      return;
    }
    const lastTaken = new DataView(data.buffer, data.byteOffset).getUint32(0);
    this.#goneAway = true;
    for (const [id, call] of this.#calls) {
      if (id > lastTaken) {
        call.fail(refused(this.#address));
      }
    }
    this.#closeIfDone();
  }

  #closeIfDone() {
    if (!this.usable && this.#calls.size === 0) {
      this.close(new ConnectError("the connection accepts no more calls", Code.Unavailable));
    }
  }

  #end(error: ConnectError) {
    if (this.#ended === undefined) {
      this.#ended = error;
      this.#peer.end();
      for (const call of this.#calls.values()) {
        call.fail(error);
      }
      this.#calls.clear();
    }
  }
}

/** The error of a call of which nothing was sent, as its message does not fit. */
export function requestTooLarge(bytes: number, limit: number, remark = ""): PlugboardError {
  return callError(
    "PB-MESSAGE-TOO-LARGE",
    `the message has ${bytes} bytes, and the peer accepts ${limit}${remark} over ttrpc`,
  );
}

function refused(address: string): PlugboardError {
  return callError("PB-CALL-REFUSED", `${address} accepts no more calls on this connection`);
}

function lost(
  { address, again }: Pick<ClientConnectionOptions, "address" | "again">,
  error: Error | undefined,
): PlugboardError {
  if (isPlugboardError(error)) {
    return error;
  }
  const why = error === undefined ? "the other side has closed it" : error.message;
  return callError("PB-CONNECTION-LOST", `the connection to ${address} broke (${why})`, {
    cause: error,
    ...(again !== undefined && {
      hint: `The call may have been carried out: make it again only if that does no harm. ${again}`,
    }),
  });
}
