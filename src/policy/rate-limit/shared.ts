import { untilAborted } from "../../base/async/until-aborted.ts";
import type { Log } from "../../base/log.ts";
import { printableLine } from "../../base/printable.ts";
import type { OptionNames } from "../../plugin/check-options.ts";
import { checkRate, rateLimitNames } from "./memory.ts";
import type { RateLimit, RateLimitOptions, TakeToken } from "./rate-limit.ts";
import { limitRate } from "./rate-limit.ts";
import type { TokenRate } from "./token-buckets.ts";
import { createTokenBuckets } from "./token-buckets.ts";

/** A store of token buckets, the rate that it gives out tokens at, and who is limited. */
export interface SharedRateLimitOptions extends TokenRate, RateLimitOptions {
  /** Name of the store, such as "Redis", for the log and for errors. */
  readonly store: string;
  /**
   * Takes a token out of the bucket of that name, which the store fills at the rate of `perSecond` up to `burst`. Resolves
   * to the number of seconds until there is a token, which is 0 if one was taken; rejects if the store fails.
   * @param signal Aborted when the call has ended, or 250 ms have passed.
   */
  readonly take: (bucket: string, signal: AbortSignal) => Promise<number>;
}

/** Most milliseconds that a call waits for the store. */
const timeoutMs = 250;

/** Milliseconds without asking the store, after it has failed. */
const pauseMs = 1_000;

const names: OptionNames<SharedRateLimitOptions> = { ...rateLimitNames, store: true, take: true };

/**
 * Limits the rate of calls by token buckets, one for each caller and method, in a store that processes share. For
 * stores of your own; `redisRateLimit` of "@plugboard/redis" is one.
 *
 * While the store gives no response within 250 ms, or fails, buckets in the memory of this process take its place: calls
 * go on, and each process limits them for itself. The log says so, once until the store is back; one call a second finds
 * that out.
 * @throws PlugboardError PB-RATE-LIMIT-INVALID, PB-OPTION-UNKNOWN
 */
export function sharedRateLimit(options: SharedRateLimitOptions): RateLimit {
  checkRate(`the rate limit in ${options.store}`, options, names);
  return { open: (_env, log) => limitRate(takeWithFallback(options, log), options) };
}

function takeWithFallback({ store, take, perSecond, burst }: SharedRateLimitOptions, log: Log): TakeToken {
  const own = createTokenBuckets({ perSecond, burst });
  /** When to ask the store again, on a monotonic clock. */
  let pausedUntil = 0;
  let failing = false;

  return async (bucket, signal) => {
    if (performance.now() < pausedUntil) {
      return own.take(bucket);
    }
    if (failing) {
      // One call finds out whether the store is back; the others do not wait for that.
      pausedUntil = performance.now() + pauseMs;
    }
    try {
      const seconds = await takeInTime(take, bucket, signal);
      failing = false;
      pausedUntil = 0;
      return seconds;
    } catch (error) {
      signal.throwIfAborted();
      pausedUntil = performance.now() + pauseMs;
      if (!failing) {
        failing = true;
        // Its message alone: clients put their commands, arguments and all, beside it.
        const reason = printableLine(error instanceof Error ? error.message : "unknown error");
        log.line(
          "WARNING",
          `${store} can't limit the rate of calls; until it can, this process does by itself: ${reason}`,
        );
      }
      return own.take(bucket);
    }
  };
}

/** @throws Error if the store fails, takes too long or returns no number; the signal's reason if that is aborted */
async function takeInTime(take: SharedRateLimitOptions["take"], bucket: string, signal: AbortSignal): Promise<number> {
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(new Error(`no response within ${timeoutMs} ms`)), timeoutMs);
  try {
    const either = AbortSignal.any([signal, giveUp.signal]);
    const seconds = await untilAborted(either, take(bucket, either));
    if (!(seconds >= 0)) {
      throw new Error("it returned no number of seconds");
    }
    return seconds;
  } finally {
    clearTimeout(timer);
  }
}
