import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { setDeadlineTimer } from "../../base/async/within.ts";
import type { CallPolicy } from "../../call/call-policy.ts";
import { noSuchMethodMessage } from "../../call/not-found.ts";
import type { Peer } from "../../call/peer.ts";
import { requestIdFor, requestIdHeader } from "../../call/request-id.ts";
import type { Keepalive } from "../../call/time/keepalive.ts";
import type { KeyValue } from "../../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { KeyValueSchema } from "../../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import type { ServiceTable } from "../../plugin/service-table.ts";
import type { CarrierConnection } from "../carrier.ts";
import { maxDataBytes } from "../limits.ts";
import type { Backlog } from "../wire/backlog.ts";
import { createBacklog } from "../wire/backlog.ts";
import type { Request } from "../wire/envelope.ts";
import { encodeResponse, readRequest } from "../wire/envelope.ts";
import type { Frame } from "../wire/frame.ts";
import { frameFlag, frameType } from "../wire/frame.ts";
import type { FrameLink } from "../wire/frame-link.ts";
import { createFrameLink } from "../wire/frame-link.ts";
import { nameWithControlCharacters } from "../wire/metadata.ts";
import type { PeerWatch } from "../wire/peer-watch.ts";
import { createPeerWatch } from "../wire/peer-watch.ts";
import { createPingResponder } from "../wire/ping.ts";
import { toStatus } from "../wire/status.ts";
import { ServerCall } from "./server-call.ts";

/** Options for serving a connection. */
export interface TtrpcServerOptions {
  readonly table: ServiceTable;
  readonly policy: CallPolicy;
  /** The other end of the connection. */
  readonly peer?: Peer | undefined;
  /** Takes no call at all: who makes one is told so. Default: false. */
  readonly draining?: boolean;
  /** Milliseconds that the bytes of one frame may take to come in. Default: for ever. */
  readonly frameTimeoutMs?: number;
  /** Pings that find out that a client that knows our extension has vanished. Default: none. */
  readonly keepalive?: Keepalive | undefined;
}

/** Characters of a caller's name that are repeated: with more, the response might not fit into a frame. */
const maxNameLength = 200;

/** Milliseconds that a client that is told to go away may take. */
const lingerMs = 1000;

/** The server's end of a ttrpc connection: starts a call for each request, and hands it what comes in for it. */
export class ServerConnection {
  /** Settles when the connection has ended, in whatever way. */
  readonly closed: Promise<void>;
  /** Settles when the connection has ended, and no handler runs any more for one of its calls. */
  readonly over: Promise<void>;
  readonly #options: TtrpcServerOptions;
  readonly #link: FrameLink;
  readonly #backlog: Backlog;
  readonly #respondToPing: (ping: Frame) => void;
  readonly #peer: PeerWatch;
  /** Ends the connection if no call comes. */
  readonly #idle: ReturnType<typeof setTimeout> | undefined;
  readonly #calls = new Map<number, ServerCall>();
  /** Running handlers. One that does not heed its signal goes on when its call has ended. */
  #handlers = 0;
  #lastId = 0;
  /** Set once no more calls are taken: the last stream that was. */
  #lastTaken: number | undefined;
  /** The other side knows plugboard.stream.v1. */
  #extended = false;
  #ended = false;
  readonly #onOver: () => void;

  constructor(carrier: CarrierConnection, options: TtrpcServerOptions) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { promise: over, resolve: onOver } = Promise.withResolvers<void>();
    this.closed = promise;
    this.over = over;
    this.#onOver = onOver;
    this.#options = options;
    this.#peer = createPeerWatch(() => this.#link, options.keepalive);
    if (options.draining) {
      this.#lastTaken = 0;
    }
    this.#link = createFrameLink(
      carrier,
      {
        heard: this.#peer.heard,
        frame: (frame) => this.#frame(frame),
        ended: (error) => {
          this.#peer.end();
          clearTimeout(this.#idle);
          if (this.#calls.size > 0) {
            const why = error?.message ?? "the caller has closed it";
            const reason = new ConnectError(`the connection was lost: ${why}`, Code.Canceled);
            for (const call of this.#calls.values()) {
              call.end(reason);
            }
          }
          this.#ended = true;
          clearTimeout(this.#lingering);
          this.#overIfDone();
          resolve();
        },
      },
      options.frameTimeoutMs,
    );
    this.#backlog = createBacklog(this.#link.canPause);
    this.#respondToPing = createPingResponder(this.#link);
    const { idleTimeoutMs } = options.policy.limits;
    if (idleTimeoutMs !== undefined) {
      this.#idle = setDeadlineTimer(() => this.#link.close(), idleTimeoutMs);
    }
    this.#link.start();
  }

  /** Refuses new calls, and ends the connection once those in flight have ended. */
  drain(): void {
    this.#takeNoMore();
    this.#closeIfDone();
  }

  /** Ends calls in flight with the reason, and the connection. */
  close(reason: ConnectError): void {
    this.#aborted = true;
    this.#takeNoMore();
    for (const call of this.#calls.values()) {
      call.end(reason, reason);
    }
    this.#closeIfDone();
  }

  /** Set once it is to end at once, whatever the other side does. */
  #aborted = false;
  #lingering: ReturnType<typeof setTimeout> | undefined;

  #takeNoMore() {
    if (this.#lastTaken === undefined) {
      this.#lastTaken = this.#lastId;
      if (this.#extended) {
        this.#sayGoAway(this.#lastTaken);
      }
    }
  }

  /** Only on stream 0, where no handler gets to say anything: so the other side may make later calls again. */
  #sayGoAway(lastTaken: number) {
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, lastTaken);
    this.#link.send(0, frameType.goAway, frameFlag.none, data);
  }

  #frame(frame: Frame) {
    const { streamId, type, flags, data } = frame;
    const call = this.#calls.get(streamId);
    switch (type) {
      case frameType.request:
        this.#open(frame);
        break;
      case frameType.data:
        if (call !== undefined) {
          call.received(data, flags);
        } else if (streamId > this.#lastId || streamId % 2 === 0) {
          this.#refuse(streamId, "there is no such stream", Code.InvalidArgument);
        }
        // What comes for a call that has ended, its caller sent before it knew.
        break;
      case frameType.chunk:
        call?.receivedChunk(data, flags);
        break;
      case frameType.window:
        if (data !== undefined) {
          call?.receivedWindow(data);
        }
        break;
      case frameType.cancel:
        call?.cancel();
        break;
      case frameType.ping:
        this.#respondToPing(frame);
        break;
      default:
      // Something newer than this, or what only servers send. Ignored, as containerd does.
    }
  }

  #open({ streamId, flags, data }: Frame) {
    const { table, policy, peer } = this.#options;
    const { maxMessageBytes, maxConcurrentStreams } = policy.limits;
    if (streamId % 2 === 0) {
      this.#refuse(streamId, "a stream id of a client has to be odd", Code.InvalidArgument);
      return;
    }
    if (streamId <= this.#lastId) {
      this.#refuse(streamId, "a stream id has to be greater than those before", Code.InvalidArgument);
      return;
    }
    this.#lastId = streamId;
    clearTimeout(this.#idle);
    const request = data && parse(data);
    const unsafe = request && nameWithControlCharacters(request.metadata);
    if (request?.extended) {
      this.#peer.begin();
    }
    const entry = request && table.find(`/${request.service}/${request.method}`);
    if (data === undefined) {
      this.#refuse(streamId, `the request is longer than ${maxDataBytes} bytes`, Code.ResourceExhausted);
    } else if (request === undefined) {
      this.#refuse(streamId, "the request can't be read", Code.InvalidArgument);
    } else if (unsafe !== undefined) {
      const name = unsafe.slice(0, maxNameLength);
      this.#refuse(streamId, `the metadata ${name} has control characters`, Code.InvalidArgument, request);
    } else if (this.#lastTaken !== undefined) {
      this.#refuseLate(streamId, request, this.#lastTaken);
    } else if (entry === undefined) {
      const message = noSuchMethodMessage(`/${request.service}/${request.method}`);
      this.#refuse(streamId, message, Code.Unimplemented, request);
    } else {
      const link = this.#link;
      const backlog = this.#backlog;
      this.#extended ||= request.extended;
      const onEnd = () => {
        this.#calls.delete(streamId);
        // A caller that does not read its responses gets no more work done.
        link.holdBack();
        this.#closeIfDone();
      };
      const call = new ServerCall({ link, backlog, streamId, entry, request, policy, peer, onEnd });
      if (this.#calls.size >= maxConcurrentStreams) {
        call.fail(`there are ${maxConcurrentStreams} calls in flight already`, Code.ResourceExhausted);
      } else if (this.#handlers >= 2 * maxConcurrentStreams) {
        // As many again as may be in flight: who replaces a call that it has cancelled need not wait for its handler.
        call.fail("too many calls that have ended still run", Code.ResourceExhausted);
      } else if (request.payload.byteLength > maxMessageBytes) {
        call.fail(`the message is longer than ${maxMessageBytes} bytes`, Code.ResourceExhausted);
      } else {
        this.#calls.set(streamId, call);
        this.#handlers += 1;
        const over = () => {
          this.#handlers -= 1;
          this.#overIfDone();
        };
        call.start(flags).then(over, (error: unknown) => {
          over();
          this.#failUnexpectedly(call, request, error);
        });
      }
    }
  }

  /** Must not throw: the process would end. */
  #failUnexpectedly(call: ServerCall, { service, method }: Request, error: unknown) {
    try {
      this.#options.policy.log.line("ERROR", `${service}/${method} failed before its response began:`, error);
      call.fail("internal error", Code.Internal);
    } catch (thrown) {
      // Its caller would wait for ever.
      this.#link.close(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }

  /** Refuses a call that was on its way when the last one was taken. */
  #refuseLate(streamId: number, { extended }: Request, lastTaken: number) {
    if (!extended) {
      this.#refuse(streamId, "the plugin is shutting down", Code.Unavailable);
    } else if (!this.#extended) {
      this.#extended = true;
      this.#sayGoAway(lastTaken);
    }
    this.#closeIfDone();
  }

  #refuse(streamId: number, message: string, code: Code, request?: Request) {
    const trailer = request?.extended ? [requestIdFrom(request)] : [];
    const response = encodeResponse({ status: toStatus(new ConnectError(message, code)), trailer });
    this.#link.send(streamId, frameType.response, frameFlag.none, response);
    this.#link.holdBack();
  }

  #overIfDone() {
    if (this.#ended && this.#handlers === 0) {
      this.#onOver();
    }
  }

  #closeIfDone() {
    if (this.#lastTaken !== undefined && this.#calls.size === 0 && !this.#ended) {
      if (this.#extended && !this.#aborted) {
        // The other side closes. Closed here, what it is just writing would take GoAway away from it.
        this.#lingering ??= setTimeout(() => this.#link.close(), lingerMs);
      } else {
        this.#link.close();
      }
    }
  }
}

/** The id of a request, as each response over HTTP has it. */
function requestIdFrom({ metadata }: Request): KeyValue {
  const name = requestIdHeader.toLowerCase();
  const given = metadata.find(({ key }) => key.toLowerCase() === name)?.value;
  return create(KeyValueSchema, { key: name, value: requestIdFor(given) });
}

function parse(data: Uint8Array): Request | undefined {
  try {
    return readRequest(data);
  } catch {
    return undefined;
  }
}
