import type { Measurement } from "../../measurement.ts";
import { measureGrowth } from "./curve.ts";
import type { Ends } from "./ends.ts";
import type { Plan } from "./plan.ts";
import { among, startWarm } from "./plan.ts";

/** Memory of both ends after up to a million calls over one connection. */
export function measureEndurance(plan: Plan): Promise<readonly Measurement[]> {
  const made = new WeakMap<Ends, number>();
  return measureGrowth({
    part: "endurance",
    along: "calls made",
    points: plan.isQuick ? [100, 200] : [100_000, 200_000, 300_000, 400_000, 600_000, 800_000, 1_000_000],
    curves: {
      client: { file: "growth-calls-client", title: "Client's memory after so many calls", unit: "MiB" },
      server: { file: "growth-calls-server", title: "Server's memory after so many calls", unit: "MiB" },
    },
    contenders: among(plan, ["ttrpc", "capnweb", "raw"]),
    rounds: 1,
    start: (contender) => startWarm(plan, contender),
    async measure(ends, calls) {
      await ends.ask("calls", 16, 64, calls - (made.get(ends) ?? 0));
      made.set(ends, calls);
      const [client, server] = await Promise.all([ends.ask("memory"), ends.serverMemory()]);
      return { client: client.used, server: server.used };
    },
  });
}
