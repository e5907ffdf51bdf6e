import type { Log } from "./log.ts";

/** Milliseconds until a line may be logged again. */
const quietMs = 10_000;

/**
 * Makes a log for lines that others can cause as often as they like: of each kind one in ten seconds.
 * @returns Logs a line of a kind. There have to be few kinds, as each is kept.
 */
export function createRareLog(log: Log): (kind: string, ...line: Parameters<Log["line"]>) => void {
  const loggedAt = new Map<string, number>();
  return (kind, ...line) => {
    const now = performance.now();
    if (now - (loggedAt.get(kind) ?? Number.NEGATIVE_INFINITY) >= quietMs) {
      loggedAt.set(kind, now);
      log.line(...line);
    }
  };
}
