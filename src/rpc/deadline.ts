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

/** Starts the clock. As in Connect's transports, zero and less mean no deadline. */
export function startDeadline(timeoutMs: number | undefined): Deadline | undefined {
  if (timeoutMs === undefined || timeoutMs <= 0) {
    return undefined;
  }
  const expires = performance.now() + timeoutMs;
  return {
    left() {
      const left = expires - performance.now();
      if (left <= 0) {
        throw new ConnectError("the operation timed out", Code.DeadlineExceeded);
      }
      // Headers carry whole milliseconds.
      return Math.ceil(left);
    },
  };
}
