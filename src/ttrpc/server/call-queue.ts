import { Code, ConnectError } from "@connectrpc/connect";
import { startDeadline } from "../../call/time/deadline.ts";
import { untilCallEnds } from "../../call/until-call-ends.ts";
import type { CallOptions } from "../client/client-call.ts";
import type { ClientConnection } from "../client/client-connection.ts";

/** The connection that a call waits for. */
export interface CallPlace {
  /** The connection for new calls, if it is open. */
  connection(): ClientConnection | undefined;
  /** Opens another; `advance` or `failAll` is called when that has ended. */
  open(): void;
  /** Aborted when no call can begin any more. */
  readonly closing: AbortSignal;
}

/** Begins a call on a connection, in the turn in which it is called, so that the connection knows of it at once. */
type Begin<T> = (connection: ClientConnection, options: CallOptions) => Promise<T>;

/** Calls that wait for a connection, or until it has room for them; first come, first served. */
export interface CallQueue {
  /** Makes a call when its turn has come, which may be at once. Its deadline and its signal hold while it waits, too. */
  call<T>(options: CallOptions, begin: Begin<T>): Promise<T>;
  /** Begins the calls whose turn has come, as a connection was opened, or has one call less. */
  advance(): void;
  /** Ends all that wait. */
  failAll(error: unknown): void;
}

interface Waiting {
  readonly maxConcurrentCalls: number;
  begin(connection: ClientConnection): void;
  fail(error: unknown): void;
}

/** Makes an empty queue. */
export function createCallQueue(place: CallPlace): CallQueue {
  /** In the order in which they came; one that is given up is taken out of the middle. */
  const waiting = new Set<Waiting>();

  function advance() {
    for (const call of waiting) {
      const connection = place.connection();
      if (connection === undefined) {
        place.open();
        return;
      }
      if (connection.calls >= call.maxConcurrentCalls) {
        return;
      }
      waiting.delete(call);
      call.begin(connection);
    }
  }

  function wait<T>(options: CallOptions, begin: Begin<T>): Promise<T> {
    const { signal, timeoutMs, maxConcurrentCalls } = options;
    const deadline = startDeadline(timeoutMs);
    const { promise: begun, resolve, reject } = Promise.withResolvers<{ readonly outcome: Promise<T> }>();
    const call: Waiting = {
      maxConcurrentCalls,
      begin(connection) {
        try {
          const outcome = begin(connection, { ...options, timeoutMs: deadline?.left() });
          // It may have been given up in this very turn, and then nothing else handles its failure.
          outcome.catch(() => undefined);
          resolve({ outcome });
        } catch (error) {
          reject(error);
        }
      },
      fail: reject,
    };
    waiting.add(call);
    advance();
    return untilCallEnds(begun, { signal, timeoutMs, closing: place.closing })
      .finally(() => waiting.delete(call))
      .then(({ outcome }) => outcome);
  }

  return {
    call(options, begin) {
      if (options.signal?.aborted) {
        return Promise.reject(ConnectError.from(options.signal.reason, Code.Canceled));
      }
      if (place.closing.aborted) {
        return Promise.reject(place.closing.reason);
      }
      const connection = waiting.size === 0 ? place.connection() : undefined;
      return connection !== undefined && connection.calls < options.maxConcurrentCalls
        ? begin(connection, options)
        : wait(options, begin);
    },
    advance,
    failAll(error) {
      for (const call of waiting) {
        call.fail(error);
      }
      waiting.clear();
    },
  };
}
