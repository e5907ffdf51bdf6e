import { within } from "../../base/async/within.ts";
import { limitError } from "./errors.ts";

/** Milliseconds that the last bytes may take to leave once it is over. */
export const flushMs = 250;

/**
 * Checks how long calls may take to end, in milliseconds: from 0; `Infinity` for as long as they like.
 * @throws PlugboardError PB-LIMIT-INVALID
 */
export function checkGracePeriod(gracePeriodMs: number): void {
  if (!(gracePeriodMs >= 0)) {
    throw limitError("PB-LIMIT-INVALID", `gracePeriodMs is ${gracePeriodMs}`, {
      hint: "Use a number of milliseconds from 0; Infinity waits for as long as calls take.",
    });
  }
}

/**
 * Waits until the calls in flight have ended. After the grace period, in milliseconds, it has them aborted; handlers that heed
 * their signal then still get to respond.
 */
export async function endCalls(ended: Promise<unknown>, graceMs: number, abort: () => unknown): Promise<void> {
  if (!(await within(graceMs, ended))) {
    await abort();
    await within(flushMs, ended);
  }
}
