import type { OptionNames } from "../../plugin/check-options.ts";
import { checkOptions } from "../../plugin/check-options.ts";
import { rateLimitError } from "./errors.ts";
import type { RateLimit, RateLimitOptions } from "./rate-limit.ts";
import { limitRate } from "./rate-limit.ts";
import type { TokenRate } from "./token-buckets.ts";
import { createTokenBuckets } from "./token-buckets.ts";

/**
 * Limits the rate of calls by token buckets, one for each caller and method, in the memory of this process. 50,000 of
 * them at most are kept.
 *
 * ```ts
 * await serve(plugin, { rateLimit: memoryRateLimit({ perSecond: 10, burst: 20 }) });
 * ```
 * @throws PlugboardError PB-RATE-LIMIT-INVALID, PB-OPTION-UNKNOWN
 */
export function memoryRateLimit(options: TokenRate & RateLimitOptions): RateLimit {
  checkRate("memoryRateLimit()", options, rateLimitNames);
  return {
    open() {
      const buckets = createTokenBuckets(options);
      return limitRate((bucket) => buckets.take(bucket), options);
    },
  };
}

const rateNames: OptionNames<TokenRate> = { perSecond: true, burst: true };

/** The names of a rate limit's options. */
export const rateLimitNames: OptionNames<TokenRate & RateLimitOptions> = { ...rateNames, key: true };

/**
 * @param where The function or option that takes the rate, as in `checkOptions`.
 * @throws PlugboardError PB-RATE-LIMIT-INVALID, PB-OPTION-UNKNOWN
 */
export function checkRate(where: string, rate: TokenRate, names: OptionNames<TokenRate> = rateNames): void {
  checkOptions(where, rate, names);
  const { perSecond, burst } = rate;
  if (!(perSecond >= 0.001 && perSecond <= 1e6)) {
    throw rateLimitError("PB-RATE-LIMIT-INVALID", `perSecond is ${perSecond}; allowed is 0.001 to 1000000`);
  }
  if (!(burst >= 1 && burst <= 1e9)) {
    throw rateLimitError("PB-RATE-LIMIT-INVALID", `burst is ${burst}; allowed is 1 to 1000000000`);
  }
}
