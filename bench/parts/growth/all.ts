import type { growthParts, Measurement } from "../../measurement.ts";
import { measureCarriers } from "./carriers.ts";
import { measureEndurance } from "./endurance.ts";
import { measureConnections, measureOpenStreams } from "./held.ts";
import { measureLatency } from "./latency.ts";
import { measureConcurrency, measurePayload } from "./load.ts";
import type { Plan } from "./plan.ts";
import { measureServices } from "./services.ts";

/** How each part of growth is measured. */
export const measureGrowthPart: Readonly<
  Record<(typeof growthParts)[number], (plan: Plan) => Promise<readonly Measurement[]>>
> = {
  carriers: measureCarriers,
  latency: measureLatency,
  payload: measurePayload,
  concurrency: measureConcurrency,
  connections: measureConnections,
  services: measureServices,
  endurance: measureEndurance,
  "open-streams": measureOpenStreams,
};
