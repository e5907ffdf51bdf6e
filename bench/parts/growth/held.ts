import type { Measurement } from "../../measurement.ts";
import { measureGrowth } from "./curve.ts";
import type { Ends } from "./ends.ts";
import type { Plan } from "./plan.ts";
import { among, measureCalls, startWarm } from "./plan.ts";

/** One client process with 1 to 10,000 connections to one server process. */
export function measureConnections(plan: Plan): Promise<readonly Measurement[]> {
  // The client has one from the start.
  const held = createHeld(1);
  return measureGrowth({
    part: "connections",
    along: "connections",
    points: plan.isQuick ? [1, 20] : [1, 10, 100, 1000, 10_000],
    curves: {
      opening: { file: "growth-connections-opening", title: "Time to open a connection", unit: "us" },
      calls: { file: "growth-connections-calls", title: "Calls over all connections, 64 at once", unit: "calls/s" },
      client: { file: "growth-connections-client", title: "Client's memory for a connection", unit: "KiB" },
      server: { file: "growth-connections-server", title: "Server's memory for a connection", unit: "KiB" },
    },
    contenders: among(plan, ["ttrpc", "grpc", "grpc-js", "connect-node", "raw"]),
    rounds: 1,
    start: (contender) => startWarm(plan, contender),
    async measure(ends, count) {
      const opening = await held.grow(ends, count, () => ends.ask("connections", count));
      const calls = await ends.ask("eachConnection", 1024, 64, plan.isQuick ? 20 : 1000);
      return { opening, calls, ...(await held.memory(ends, count)) };
    },
  });
}

/** One connection with 1 to 10,000 streams that stay open. */
export function measureOpenStreams(plan: Plan): Promise<readonly Measurement[]> {
  const held = createHeld(0);
  return measureGrowth({
    part: "open-streams",
    along: "open streams",
    points: plan.isQuick ? [1, 20] : [1, 10, 100, 1000, 10_000],
    curves: {
      opening: { file: "growth-streams-opening", title: "Time to open a stream", unit: "us" },
      calls: { file: "growth-streams-calls", title: "Calls beside the open streams, 64 at once", unit: "calls/s" },
      client: { file: "growth-streams-client", title: "Client's memory for a stream", unit: "KiB" },
      server: { file: "growth-streams-server", title: "Server's memory for a stream", unit: "KiB" },
    },
    contenders: among(plan, ["ttrpc", "grpc", "grpc-js", "connect-node", "capnweb"]),
    rounds: 1,
    start: (contender) => startWarm(plan, contender),
    async measure(ends, count) {
      const opening = await held.grow(ends, count, () => ends.ask("streams", count));
      const memory = await held.memory(ends, count);
      const { calls } = await measureCalls(ends, 1024, 64, plan.isQuick ? 20 : 1000);
      return { opening, calls, ...memory };
    },
  });
}

/** Memory that each end had with one, by which what is for each of the others is counted, and how many there are. */
function createHeld(initial: number) {
  const first = new WeakMap<Ends, { readonly client: number; readonly server: number }>();
  const present = new WeakMap<Ends, number>();
  return {
    /** Microseconds that each one more took. */
    async grow(ends: Ends, count: number, open: () => Promise<number>): Promise<number> {
      const added = count - (present.get(ends) ?? initial);
      present.set(ends, count);
      const seconds = await open();
      return added > 0 ? (seconds * 1e6) / added : Number.NaN;
    },
    /** KiB for each one more than the first. */
    async memory(ends: Ends, count: number) {
      const [client, server] = await Promise.all([ends.ask("memory"), ends.serverMemory()]);
      const base = first.get(ends) ?? { client: client.used, server: server.used };
      first.set(ends, base);
      const kibibytes = (used: number, before: number) =>
        used > before ? ((used - before) * 1024) / (count - 1) : Number.NaN;
      return { client: kibibytes(client.used, base.client), server: kibibytes(server.used, base.server) };
    },
  };
}
