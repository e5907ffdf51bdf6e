import type { Transport } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import { isPlugboardError } from "../../base/errors.ts";

/** A transport whose calls in flight can be ended. */
export interface EndingTransport {
  readonly transport: Transport;
  /** Ends calls in flight, and every later one, with the reason. */
  end(reason: Error): void;
}

/**
 * Makes the calls of a transport end with it. Leaving the iteration of a response early ends its call, too: Connect's
 * transports leave it open until the connection ends, and its handler with it.
 */
export function createEndingTransport(transport: Transport): EndingTransport {
  const calls = new Set<AbortController>();
  let ended: Error | undefined;

  /** A signal for one call, which its caller's signal aborts, too. */
  function open(signal: AbortSignal | undefined) {
    const controller = new AbortController();
    const onAbort = () => {
      close();
      controller.abort(signal?.reason);
    };
    const close = () => {
      calls.delete(controller);
      signal?.removeEventListener("abort", onAbort);
    };
    if (ended !== undefined) {
      controller.abort(ended);
    } else if (signal?.aborted) {
      controller.abort(signal.reason);
    } else {
      calls.add(controller);
      signal?.addEventListener("abort", onAbort);
    }
    return { signal: controller.signal, abort: (reason: unknown) => controller.abort(reason), close };
  }

  return {
    transport: {
      async unary(method, signal, ...rest) {
        const call = open(signal);
        try {
          return await transport.unary(method, call.signal, ...rest);
        } catch (error) {
          throw fromWire(error, call.signal);
        } finally {
          call.close();
        }
      },
      async stream(method, signal, ...rest) {
        const call = open(signal);
        try {
          const response = await transport.stream(method, call.signal, ...rest);
          return { ...response, message: untilLeft(response.message, call) };
        } catch (error) {
          call.close();
          throw fromWire(error, call.signal);
        }
      },
    },
    end(reason) {
      ended ??= reason;
      for (const controller of calls) {
        controller.abort(ended);
      }
      calls.clear();
    },
  };
}

/** Errors that stand for a response without an error in it, or for none. */
const standIns = new WeakSet<ConnectError>();

/** True for an error that a server has sent in its protocol. */
export function isServersWord(error: ConnectError): boolean {
  return error.isWireError && !standIns.has(error);
}

/**
 * A handler that passes it on must not send its metadata with its own call's response: so Connect marks most errors
 * that have come over a wire, but not those that an HTTP response without an error in it stands for.
 */
function fromWire(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted && error instanceof ConnectError && !isPlugboardError(error)) {
    if (!error.isWireError) {
      standIns.add(error);
    }
    error.isWireError = true;
  }
  return error;
}

const left = new Error("the caller stopped reading");

async function* untilLeft<T>(
  messages: AsyncIterable<T>,
  call: { abort(reason: unknown): void; close(): void },
): AsyncGenerator<T> {
  let ended = false;
  try {
    // Not yield*: Connect's response iterators have no return(), which would let the generator end without this.
    for await (const message of messages) {
      yield message;
    }
    ended = true;
  } catch (error) {
    ended = true;
    throw error;
  } finally {
    call.close();
    if (!ended) {
      call.abort(left);
    }
  }
}
