import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { forwardIterator } from "../../base/async/iterables.ts";
import { isPlugboardError } from "../../base/errors.ts";
import { timedOut } from "../../call/time/deadline.ts";
import { isServersWord } from "./wire-errors.ts";

/** Milliseconds before the caller's deadline at which the server's clock may have it; a tenth of a short one. */
const maxEarlyMs = 50;

/**
 * Gives a call deadline_exceeded that is cut off at its deadline or just before. Both ends watch over it: where the server is
 * first, it resets the stream or ends the connection, which by itself says something else.
 */
export function heedDeadline(transport: Transport): Transport {
  return {
    unary(method, signal, timeoutMs, ...rest) {
      const told = teller(signal, timeoutMs);
      const response = transport.unary(method, signal, timeoutMs, ...rest);
      return told === undefined ? response : response.catch(told);
    },
    async stream(method, signal, timeoutMs, ...rest) {
      const told = teller(signal, timeoutMs);
      if (told === undefined) {
        return transport.stream(method, signal, timeoutMs, ...rest);
      }
      const response = await transport.stream(method, signal, timeoutMs, ...rest).catch(told);
      return {
        ...response,
        message: forwardIterator(response.message, (iterator) => () => iterator.next().catch(told)),
      };
    },
  };
}

/** Throws what a call has failed with; `undefined` for calls without a deadline. */
function teller(
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): ((error: unknown) => never) | undefined {
  if (timeoutMs === undefined || !(timeoutMs > 0 && timeoutMs < Number.POSITIVE_INFINITY)) {
    return undefined;
  }
  const due = performance.now() + timeoutMs - Math.min(maxEarlyMs, timeoutMs / 10);
  return (error) => {
    if (performance.now() >= due && signal?.aborted !== true && isCutOff(error)) {
      throw timedOut(error);
    }
    throw error;
  };
}

/** True for an error that says that the call was ended, as opposed to one of its handler or its server. */
function isCutOff(error: unknown): boolean {
  return (
    isPlugboardError(error, "PB-CONNECTION-LOST") ||
    (error instanceof ConnectError && error.code === Code.Canceled && !isServersWord(error))
  );
}
