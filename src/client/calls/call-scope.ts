import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { onReturn } from "../../base/async/iterables.ts";
import { markWireError } from "./wire-errors.ts";

/** The calls of a transport, which end together, and each when its caller stops reading. */
export interface CallScope {
  readonly transport: Transport;
  /** Ends calls in flight, and every later one, with the reason. */
  end(reason: Error): void;
}

/**
 * Makes the calls of a transport end with it. Leaving the iteration of a response early ends its call, too: Connect's
 * transports leave it open until the connection ends, and its handler with it.
 */
export function createCallScope(transport: Transport): CallScope {
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
    return { controller, signal: controller.signal, close };
  }

  return {
    transport: {
      async unary(method, signal, ...rest) {
        const call = open(signal);
        try {
          return await transport.unary(method, call.signal, ...rest);
        } catch (error) {
          throw call.signal.aborted ? error : markWireError(error);
        } finally {
          call.close();
        }
      },
      async stream(method, signal, ...rest) {
        const call = open(signal);
        try {
          const response = await transport.stream(method, call.signal, ...rest);
          return { ...response, message: cancelOnReturn(response.message, call.controller, call.close) };
        } catch (error) {
          call.close();
          throw call.signal.aborted ? error : markWireError(error);
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

/**
 * The messages of a response: who leaves them early cancels the call.
 * @param onEnd Called when they have ended, in whatever way.
 */
export function cancelOnReturn<T>(
  messages: AsyncIterable<T>,
  controller: AbortController,
  onEnd?: () => void,
): AsyncIterable<T> {
  const cancel = async (iterator: AsyncIterator<T>) => {
    onEnd?.();
    controller.abort(new ConnectError("the caller stopped reading", Code.Canceled));
    // Settles what the abort has left, so that no rejection goes unhandled.
    await iterator.next().catch(() => undefined);
  };
  return onReturn(messages, cancel, onEnd);
}
