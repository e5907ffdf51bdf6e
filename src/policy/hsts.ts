import { limitError } from "../call/time/errors.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";

/** `Strict-Transport-Security` (RFC 6797): browsers that have seen it reach the host over HTTPS alone. */
export interface Hsts {
  /** In seconds; 0 has browsers forget it. Default: 63,072,000, two years. */
  readonly maxAge?: number;
  /** True if it holds for all hosts below this one, too, which may be others'. Default: false. */
  readonly includeSubDomains?: boolean;
}

const optionNames: OptionNames<Hsts> = { maxAge: true, includeSubDomains: true };

const twoYears = 63_072_000;

/**
 * The header's value; `undefined` if it is not to be sent.
 * @throws PlugboardError PB-LIMIT-INVALID, PB-OPTION-UNKNOWN
 */
export function hstsValue(hsts: Hsts | false = {}): string | undefined {
  if (hsts === false) {
    return undefined;
  }
  checkOptions<Hsts>("hsts", hsts, optionNames);
  const { maxAge = twoYears, includeSubDomains = false } = hsts;
  if (!(Number.isSafeInteger(maxAge) && maxAge >= 0)) {
    throw limitError("PB-LIMIT-INVALID", `hsts.maxAge is ${maxAge}`);
  }
  return `max-age=${maxAge}${includeSubDomains ? "; includeSubDomains" : ""}`;
}
