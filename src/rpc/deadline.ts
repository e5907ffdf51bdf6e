import { Code, ConnectError } from "@connectrpc/connect";

/** Longest wait of a timer, in milliseconds; one that is set for longer goes off at once. */
export const maxTimerMs = 2 ** 31 - 1;

/** Runs something at a deadline so many milliseconds away, unless the timer is cleared; 24 days at most. */
export function setDeadlineTimer(run: () => void, timeoutMs: number): ReturnType<typeof setTimeout> {
  return setTimeout(run, Math.min(timeoutMs, maxTimerMs));
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
        throw new ConnectError("the operation timed out", Code.DeadlineExceeded);
      }
      // Headers carry whole milliseconds.
      return Math.min(Math.ceil(left), maxTimerMs);
    },
  };
}
