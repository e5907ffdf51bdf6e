import type { Measurement } from "../../measurement.ts";
import { measureGrowth } from "./curve.ts";
import type { Plan } from "./plan.ts";
import { among, measureCalls, startWarm } from "./plan.ts";

const all = ["ttrpc", "grpc", "grpc-js", "connect-node", "capnweb", "grpc-go", "raw"];

/** Calls of 16 B to 16 MiB, eight at once. */
export function measurePayload(plan: Plan): Promise<readonly Measurement[]> {
  return measureGrowth({
    part: "payload",
    along: "bytes of a message",
    isBytes: true,
    points: plan.isQuick ? [16, 65_536] : [16, 256, 4096, 65_536, 1_048_576, 4_194_304, 16_777_216],
    curves: {
      calls: { file: "growth-payload-calls", title: "Calls by the size of their messages", unit: "calls/s" },
      bytes: { file: "growth-payload-bytes", title: "Bytes by the size of their messages", unit: "MB/s" },
    },
    contenders: among(plan, all),
    rounds: plan.isQuick ? 1 : 3,
    start: (contender) => startWarm(plan, contender),
    async measure(ends, size) {
      const { done, seconds } = await ends.ask("unary", size, 8, plan.isQuick ? 20 : 500);
      return { calls: done / seconds, bytes: (done * size) / seconds / 1e6 };
    },
  });
}

/** Calls of 1 KiB, 1 to 4,096 at once. */
export function measureConcurrency(plan: Plan): Promise<readonly Measurement[]> {
  return measureGrowth({
    part: "concurrency",
    along: "calls in flight at once",
    points: plan.isQuick ? [1, 256] : [1, 4, 16, 64, 256, 1024, 4096],
    curves: {
      calls: { file: "growth-concurrency-calls", title: "Calls by how many are in flight", unit: "calls/s" },
      client: { file: "growth-concurrency-client", title: "Client's processor time for a call", unit: "us" },
      server: { file: "growth-concurrency-server", title: "Server's processor time for a call", unit: "us" },
    },
    contenders: among(plan, all),
    rounds: plan.isQuick ? 1 : 3,
    start: (contender) => startWarm(plan, contender),
    async measure(ends, concurrency) {
      const measured = await measureCalls(ends, 1024, concurrency, plan.isQuick ? 20 : 700);
      // Its client is a child of the process that is looked at.
      return ends.isNode ? measured : { ...measured, client: Number.NaN };
    },
  });
}
