import type { DescService } from "@bufbuild/protobuf";
import type { RequestGate } from "../call/request-gate.ts";
import type { PluginSettings } from "../go-plugin/settings/read.ts";
import { refuseFor } from "../policy/rate-limit/rate-limit.ts";
import { createTokenBuckets } from "../policy/rate-limit/token-buckets.ts";

/** The settings for the rate of calls in a process. */
type RateSettings = Pick<PluginSettings, "PLUGIN_RATE_LIMIT_REQUESTS_PER_SECOND" | "PLUGIN_RATE_LIMIT_BURST_CAPACITY">;

/**
 * Refuses calls beyond a rate with `resource_exhausted`, before their handlers see them. `Retry-After` tells in how many
 * seconds there is room for one again.
 * @param counts True for a service whose calls count.
 */
export function limitProcess(settings: RateSettings, counts: (service: DescService) => boolean): RequestGate {
  const { PLUGIN_RATE_LIMIT_REQUESTS_PER_SECOND: perSecond, PLUGIN_RATE_LIMIT_BURST_CAPACITY: burst } = settings;
  const buckets = createTokenBuckets({ perSecond, burst });
  return ({ service }) => {
    if (counts(service)) {
      refuseFor(buckets.take("all calls"), "the plugin's rate limit is exceeded");
    }
  };
}
