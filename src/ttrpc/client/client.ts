import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { startDeadline } from "../../call/time/deadline.ts";
import type { Keepalive } from "../../call/time/keepalive.ts";
import type { CarrierConnection } from "../carrier.ts";
import { createCallQueue } from "../server/call-queue.ts";
import type { CallOptions } from "./client-call.ts";
import { ClientConnection, maxStreamId } from "./client-connection.ts";
import { callServerStreaming, callStreaming, takeRequest } from "./streaming-call.ts";
import { callUnary } from "./unary-call.ts";

/** Options for calls over ttrpc. */
export interface TtrpcClientOptions {
  /**
   * Opens a connection. If it rejects, the calls that need the connection fail with the same error.
   * @param signal Aborted when the connection is no longer needed, as the client was closed.
   */
  readonly open: (signal: AbortSignal) => Promise<CarrierConnection>;
  /** The server's address, for messages. */
  readonly address: string;
  /** The cure for a lost connection, where it can't be opened again. Default: it can be. */
  readonly again?: string;
  /** Largest response message, in bytes. */
  readonly maxMessageBytes: number;
  /** Pings that find out that a server that knows our extension has vanished. Default: none. */
  readonly keepalive?: Keepalive | undefined;
  /** The last stream id that a connection uses, before there is another one. Default: the last there is. */
  readonly lastStreamId?: number;
}

/** The known traits of a server. */
interface TtrpcServerTraits {
  /** True if it knows plugboard.stream.v1. */
  readonly extended: boolean;
  /** True if it knows plugboard.chunk.v1. Default: false. */
  readonly chunked?: boolean;
  /** Largest request message it takes, in bytes. Default: not known. */
  readonly maxRequestBytes?: number | undefined;
  /** Calls that it takes at once on one connection; further ones wait. Default: any number. */
  readonly maxConcurrentCalls?: number | undefined;
}

/** Calls over one connection, which is opened when it is needed, and again when it was lost. */
export interface TtrpcClient {
  /** Speaks plain ttrpc, which everybody knows. */
  readonly plain: Transport;
  /** Speaks what a server knows. */
  knowing(server: TtrpcServerTraits): Transport;
  /** Ends the connection; calls in flight, and later ones, fail with the reason. */
  close(reason: Error): void;
}

/** Makes a client; see docs/reference/protocol.md for what it speaks. */
export function createTtrpcClient(options: TtrpcClientOptions): TtrpcClient {
  const { open, address, again, maxMessageBytes, keepalive, lastStreamId = maxStreamId } = options;
  let current: ClientConnection | undefined;
  /** Have no stream ids left, but calls in flight. */
  let usedUp: readonly ClientConnection[] = [];
  let opening = false;
  let closed: ConnectError | undefined;
  const closing = new AbortController();

  async function dial(): Promise<void> {
    const carrier = await open(closing.signal);
    const connection = new ClientConnection(carrier, {
      address,
      again,
      lastId: lastStreamId,
      onRoom: () => queue.advance(),
      keepalive,
    });
    // Who opens another at once, gets one like it.
    connection.throwIfEnded();
    if (closed !== undefined) {
      connection.close(closed);
      throw closed;
    }
    usedUp = [...usedUp, ...(current === undefined ? [] : [current])].filter(({ ended }) => !ended);
    current = connection;
  }

  const queue = createCallQueue({
    connection: () => (current?.usable ? current : undefined),
    open() {
      if (opening) {
        return;
      }
      opening = true;
      void dial().then(
        () => {
          opening = false;
          queue.advance();
        },
        (error: unknown) => {
          opening = false;
          queue.failAll(error);
        },
      );
    },
    closing: closing.signal,
  });

  function transport({
    extended,
    chunked = false,
    maxRequestBytes = Number.POSITIVE_INFINITY,
    maxConcurrentCalls = Number.POSITIVE_INFINITY,
  }: TtrpcServerTraits): Transport {
    const optionsOf = (
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: HeadersInit | undefined,
    ): CallOptions => ({
      signal,
      // As in Connect's transports, zero and less mean no deadline.
      timeoutMs: timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : undefined,
      header,
      extended,
      chunked: extended && chunked,
      maxMessageBytes,
      maxRequestBytes,
      maxConcurrentCalls,
    });
    return {
      unary(method, signal, timeoutMs, header, input) {
        return queue.call(optionsOf(signal, timeoutMs, header), (connection, left) =>
          callUnary(connection, method, input, left),
        );
      },
      async stream(method, signal, timeoutMs, header, input) {
        const given = optionsOf(signal, timeoutMs, header);
        if (method.methodKind !== "server_streaming") {
          return queue.call(given, (connection, left) => callStreaming(connection, method, input, left));
        }
        const deadline = startDeadline(timeoutMs);
        const request = await takeRequest(input, { ...given, closing: closing.signal });
        return queue.call({ ...given, timeoutMs: deadline?.left() }, (connection, left) =>
          callServerStreaming(connection, method, request, left),
        );
      },
    };
  }

  return {
    plain: transport({ extended: false }),
    knowing: transport,
    close(reason) {
      closed ??= ConnectError.from(reason, Code.Canceled);
      queue.failAll(closed);
      for (const connection of [...usedUp, ...(current === undefined ? [] : [current])]) {
        connection.close(closed);
      }
      closing.abort(closed);
    },
  };
}
