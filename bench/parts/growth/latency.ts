import type { Measurement } from "../../measurement.ts";
import { measureGrowth } from "./curve.ts";
import type { Plan } from "./plan.ts";
import { among, startWarm } from "./plan.ts";

/** Latencies of calls of 1 KiB at fixed rates, from when each was meant to begin. */
export function measureLatency(plan: Plan): Promise<readonly Measurement[]> {
  return measureGrowth({
    part: "latency",
    along: "calls begun per second",
    points: plan.isQuick ? [200] : [500, 1000, 2000, 4000, 8000, 16_000, 32_000],
    curves: {
      p50: { file: "growth-latency-p50", title: "Latency, half of the calls", unit: "ms" },
      p99: { file: "growth-latency-p99", title: "Latency, 99% of the calls", unit: "ms" },
      p999: { file: "growth-latency-p999", title: "Latency, 99.9% of the calls", unit: "ms" },
    },
    contenders: among(plan, ["ttrpc", "grpc", "grpc-js", "connect-node", "capnweb", "raw"]),
    rounds: plan.isQuick ? 1 : 3,
    start: (contender) => startWarm(plan, contender),
    measure: (ends, rate) => ends.ask("openLoop", 1024, rate, plan.isQuick ? 100 : 2000),
  });
}
