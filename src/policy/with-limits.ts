import { PlugboardError } from "../base/errors.ts";
import type { CallLimits } from "../call/call-policy.ts";
import { publicLimits } from "../call/call-policy.ts";
import { checkOptions } from "../plugin/check-options.ts";

/** Limits that there always are, and how high they may be: as far as the protocols' fields reach. */
const highest: Partial<Record<keyof CallLimits, number>> = {
  maxMessageBytes: 2 ** 32 - 1,
  maxConcurrentStreams: 2 ** 32 - 1,
};

/**
 * The limits that hold: the defaults, and the plugin's own in their place. `Infinity` is no limit.
 * @throws PlugboardError PB-LIMIT-INVALID, PB-OPTION-UNKNOWN
 */
export function withLimits(defaults: CallLimits, own: Partial<CallLimits> = {}): CallLimits {
  checkOptions<CallLimits>("limits", own, publicLimits);
  const given = Object.entries(own).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  for (const [name, value] of given) {
    const most = highest[name as keyof CallLimits] ?? Number.POSITIVE_INFINITY;
    if (!(value >= 1 && value <= most && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY))) {
      throw new PlugboardError("PB-LIMIT-INVALID", `limits.${name} is ${value}`);
    }
  }
  const all: CallLimits = { ...defaults, ...Object.fromEntries(given) };
  const lifted = Object.entries(all).filter(([, value]) => value === Number.POSITIVE_INFINITY);
  return { ...all, ...Object.fromEntries(lifted.map(([name]) => [name, undefined])) };
}
