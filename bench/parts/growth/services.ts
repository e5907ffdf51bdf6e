import type { Measurement } from "../../measurement.ts";
import { nodeServer } from "../../server-program.ts";
import { measureGrowth } from "./curve.ts";
import { startEnds } from "./ends.ts";
import type { Plan } from "./plan.ts";
import { among, measureCalls } from "./plan.ts";

/** A plugin with 1 to 1,000 services. */
export function measureServices(plan: Plan): Promise<readonly Measurement[]> {
  return measureGrowth({
    part: "services",
    along: "services of one plugin",
    points: plan.isQuick ? [1, 20] : [1, 10, 100, 1000],
    curves: {
      start: { file: "growth-services-start", title: "From spawn until the plugin listens", unit: "ms" },
      opening: { file: "growth-services-opening", title: "Time to connect to it", unit: "us" },
      calls: { file: "growth-services-calls", title: "Calls to one of so many services, 64 at once", unit: "calls/s" },
      server: { file: "growth-services-server", title: "Memory of a plugin with so many services", unit: "MiB" },
    },
    contenders: among(plan, ["ttrpc", "grpc"]).map((each) => ({ ...each, server: nodeServer("plugboard-services") })),
    rounds: plan.isQuick ? 1 : 3,
    isAnew: true,
    start: (contender, count) => startEnds(contender, { path: plan.pathOf(contender.name) }, [String(count)]),
    async measure(ends) {
      await ends.ask("unary", 1024, 64, plan.isQuick ? 20 : 500);
      const more = 100;
      const opening = ((await ends.ask("connections", 1 + more)) * 1e6) / more;
      const { calls } = await measureCalls(ends, 1024, 64, plan.isQuick ? 20 : 500);
      const { used } = await ends.serverMemory();
      return { start: ends.startMs, opening, calls, server: used };
    },
  });
}
