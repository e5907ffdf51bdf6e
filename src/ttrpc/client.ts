import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { startDeadline } from "../rpc/deadline.ts";
import { untilCallEnds } from "../rpc/until-call-ends.ts";
import type { CarrierConnection } from "./carrier.ts";
import type { CallOptions } from "./client-call.ts";
import { ClientConnection, maxStreamId } from "./client-connection.ts";
import { callStreaming } from "./streaming-call.ts";
import { callUnary } from "./unary-call.ts";

/** How to call over ttrpc. */
export interface TtrpcClientOptions {
  /**
   * Opens a connection. What it rejects with is what a call fails with that needed it.
   * @param signal Is aborted when nobody needs it any more, as the client was closed.
   */
  readonly open: (signal: AbortSignal) => Promise<CarrierConnection>;
  /** Where that leads, for messages. */
  readonly address: string;
  /** Largest response message, in bytes. */
  readonly maxMessageBytes: number;
  /** The last stream id that a connection uses, before there is another one. Default: the last there is. */
  readonly lastStreamId?: number;
}

/** Calls over one connection, which is opened when it is needed, and again when it was lost. */
export interface TtrpcClient {
  /** Speaks plain ttrpc, which everybody knows. */
  readonly plain: Transport;
  /** Speaks plugboard.stream.v1, for servers that say they know it. */
  readonly extended: Transport;
  /** Ends the connection; calls in flight, and later ones, fail with the reason. */
  close(reason: Error): void;
}

/** Makes a client; see wire.md for what it speaks. */
export function createTtrpcClient(options: TtrpcClientOptions): TtrpcClient {
  const { open, address, maxMessageBytes, lastStreamId = maxStreamId } = options;
  let current: ClientConnection | undefined;
  /** Have no stream ids left, but calls in flight. */
  let usedUp: readonly ClientConnection[] = [];
  let opening: Promise<ClientConnection> | undefined;
  let closed: ConnectError | undefined;
  const closing = new AbortController();

  async function dial(): Promise<ClientConnection> {
    const carrier = await open(closing.signal);
    const connection = new ClientConnection(carrier, address, lastStreamId);
    if (closed !== undefined) {
      connection.close(closed);
      throw closed;
    }
    usedUp = [...usedUp, ...(current === undefined ? [] : [current])].filter(({ ended }) => !ended);
    current = connection;
    return connection;
  }

  /** Runs a call on the connection; without a turn of waiting if that is open. */
  function connected<T>(
    options: CallOptions,
    run: (connection: ClientConnection, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    if (closed !== undefined) {
      return Promise.reject(closed);
    }
    const { signal } = options;
    if (signal?.aborted) {
      return Promise.reject(ConnectError.from(signal.reason, Code.Canceled));
    }
    if (current?.usable) {
      return run(current, options);
    }
    opening ??= dial().finally(() => {
      opening = undefined;
    });
    const deadline = startDeadline(options.timeoutMs);
    const { timeoutMs } = options;
    return untilCallEnds(opening, { signal, timeoutMs, closing: closing.signal }).then((connection) =>
      run(connection, { ...options, timeoutMs: deadline?.left() }),
    );
  }

  function transport(extended: boolean): Transport {
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
      maxMessageBytes,
    });
    return {
      unary(method, signal, timeoutMs, header, input) {
        const options = optionsOf(signal, timeoutMs, header);
        return connected(options, (connection, left) => callUnary(connection, method, input, left));
      },
      stream(method, signal, timeoutMs, header, input) {
        const options = optionsOf(signal, timeoutMs, header);
        return connected(options, (connection, left) => callStreaming(connection, method, input, left));
      },
    };
  }

  return {
    plain: transport(false),
    extended: transport(true),
    close(reason) {
      closed ??= ConnectError.from(reason, Code.Canceled);
      for (const connection of [...usedUp, ...(current === undefined ? [] : [current])]) {
        connection.close(closed);
      }
      closing.abort(closed);
    },
  };
}
