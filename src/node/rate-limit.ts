import type { Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { PluginSettings } from "./settings.ts";
import { createTokenBucket } from "./token-bucket.ts";

/** How many calls a process takes. */
type RateSettings = Pick<PluginSettings, "PLUGIN_RATE_LIMIT_REQUESTS_PER_SECOND" | "PLUGIN_RATE_LIMIT_BURST_CAPACITY">;

/**
 * Refuses calls beyond a rate with `resource_exhausted`, before their handlers see them. `Retry-After` tells in how many
 * seconds there is room for one again.
 */
export function limitRate(settings: RateSettings): Interceptor {
  const { PLUGIN_RATE_LIMIT_REQUESTS_PER_SECOND: perSecond, PLUGIN_RATE_LIMIT_BURST_CAPACITY: capacity } = settings;
  const bucket = createTokenBucket(perSecond, capacity);
  return (next) => (request) => {
    const seconds = bucket.take();
    if (seconds > 0) {
      const metadata = { "Retry-After": String(Math.ceil(seconds)) };
      return Promise.reject(new ConnectError("the plugin's rate limit is exceeded", Code.ResourceExhausted, metadata));
    }
    return next(request);
  };
}
