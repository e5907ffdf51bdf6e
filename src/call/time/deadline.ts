import { Code, ConnectError } from "@connectrpc/connect";
import { PlugboardError } from "../../base/errors.ts";

/** Longest wait of a timer, in milliseconds; one that is set for longer goes off at once. */
export const maxTimerMs = 2 ** 31 - 1;

/** Runs something at a deadline so many milliseconds away, unless the timer is cleared; 24 days at most. */
export function setDeadlineTimer(run: () => void, timeoutMs: number): ReturnType<typeof setTimeout> {
  return setTimeout(run, Math.min(timeoutMs, maxTimerMs));
}

/** What a call ends with whose deadline has passed. */
export function timedOut(cause?: unknown): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded, undefined, undefined, cause);
}

/** Waits for a promise, at most so many milliseconds; tells whether it has settled. Rejects if the promise does. */
export async function within(timeoutMs: number, promise: Promise<unknown>): Promise<boolean> {
  const { promise: expired, resolve } = Promise.withResolvers<false>();
  const timer = setDeadlineTimer(() => resolve(false), timeoutMs);
  try {
    return await Promise.race([promise.then(() => true), expired]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Checks how long calls may take to end, in milliseconds: from 0; `Infinity` for as long as they like.
 * @throws PlugboardError PB-LIMIT-INVALID
 */
export function checkGracePeriod(gracePeriodMs: number): void {
  if (!(gracePeriodMs >= 0)) {
    throw new PlugboardError("PB-LIMIT-INVALID", `gracePeriodMs is ${gracePeriodMs}`, {
      hint: "It is a number of milliseconds from 0; Infinity for as long as calls take.",
    });
  }
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
