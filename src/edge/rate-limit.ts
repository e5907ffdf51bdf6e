import { checkOptions } from "../plugin/check-options.ts";
import type { RateLimit, RateLimitOptions } from "../policy/rate-limit/rate-limit.ts";
import { limitRate } from "../policy/rate-limit/rate-limit.ts";
import { edgeError } from "./errors.ts";

/** The platform's binding, see https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit. */
interface RateLimitBinding {
  limit(options: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

/** Options for `bindingRateLimit`. */
export interface BindingRateLimitOptions extends RateLimitOptions {
  /** The `period` that wrangler.toml has for the binding, which callers are told to wait. Default: 60. */
  readonly periodSeconds?: 10 | 60;
}

/**
 * Limits the rate of calls by the platform's rate limiting binding of that name, for each caller and method:
 *
 * ```ts
 * export default edge(plugin, { rateLimit: bindingRateLimit("RATE_LIMITER") });
 * ```
 *
 * The number of calls stands in wrangler.toml. Without the binding the plugin does not start, and where it fails no
 * call passes.
 * @throws PlugboardError PB-OPTION-UNKNOWN
 */
export function bindingRateLimit(name: string, options: BindingRateLimitOptions = {}): RateLimit {
  checkOptions<BindingRateLimitOptions>("bindingRateLimit()", options, { key: true, periodSeconds: true });
  const { periodSeconds = 60 } = options;
  return {
    open(env) {
      const binding = env[name];
      if (!isRateLimit(binding)) {
        throw edgeError(
          "PB-RATE-LIMIT-BINDING",
          `the Worker has ${binding === undefined ? "no binding" : "another kind of binding"} named ${name}`,
        );
      }
      const take = async (key: string) => ((await binding.limit({ key })).success ? 0 : periodSeconds);
      return limitRate(take, options);
    },
  };
}

function isRateLimit(binding: unknown): binding is RateLimitBinding {
  return typeof binding === "object" && binding !== null && "limit" in binding && typeof binding.limit === "function";
}
