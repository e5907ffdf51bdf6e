import { Code, ConnectError } from "@connectrpc/connect";
import { maxTimerMs } from "../../base/async/within.ts";

/** The error of a call whose deadline has passed. */
export function timedOut(cause?: unknown): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded, undefined, undefined, cause);
}

/** The point in time at which a call ends, however many attempts it makes. */
export interface Deadline {
  /**
   * Milliseconds until then.
   * @throws ConnectError deadline_exceeded if there are none left.
   */
  left(): number;
}

/**
 * Starts the clock. Zero, less and Infinity mean no deadline; fractions of a millisecond are rounded up; what is longer than
 * a timer can be set for ends when that does, after 24 days.
 * @throws ConnectError invalid_argument if it is not a number
 */
export function startDeadline(timeoutMs: number | undefined): Deadline | undefined {
  if (timeoutMs === undefined || timeoutMs <= 0 || timeoutMs === Number.POSITIVE_INFINITY) {
    return undefined;
  }
  if (Number.isNaN(timeoutMs)) {
    throw new ConnectError("timeoutMs is not a number", Code.InvalidArgument);
  }
  const expires = performance.now() + timeoutMs;
  return {
    left() {
      const left = expires - performance.now();
      if (left <= 0) {
        throw timedOut();
      }
      // Headers carry whole milliseconds.
      return Math.min(Math.ceil(left), maxTimerMs);
    },
  };
}
