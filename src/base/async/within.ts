/** Longest wait of a timer, in milliseconds; one that is set for longer goes off at once. */
export const maxTimerMs = 2 ** 31 - 1;

/** Runs something so many milliseconds from now, unless the timer is cleared; after 24 days at the latest. */
export function setDeadlineTimer(run: () => void, timeoutMs: number): ReturnType<typeof setTimeout> {
  return setTimeout(run, Math.min(timeoutMs, maxTimerMs));
}

/** As `setDeadlineTimer`, but it keeps no process running. */
export function setBackgroundTimer(run: () => void, timeoutMs: number): ReturnType<typeof setTimeout> {
  const timer = setDeadlineTimer(run, timeoutMs);
  // A number where timers are a browser's.
  (timer as { unref?: () => void }).unref?.();
  return timer;
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
