import { createThrowawayCertificate } from "../../../src/node/tls/throwaway-certificate.ts";
import type { Contender } from "../../contender.ts";
import type { Measurement } from "../../measurement.ts";
import { createRounds, inTurn } from "../../measurement.ts";
import type { Carrier } from "./ends.ts";
import type { Plan } from "./plan.ts";
import { among, measureCalls, startWarm } from "./plan.ts";

/** What is measured over each carrier. */
const quantities = {
  one: { title: "1 at once", unit: "calls/s" },
  many: { title: "64 at once", unit: "calls/s" },
  client: { title: "64 at once, client's processor time for a call", unit: "us" },
  server: { title: "64 at once, server's processor time for a call", unit: "us" },
  p50: { title: "1,000 begun per second, latency of half of them", unit: "ms" },
  p99: { title: "1,000 begun per second, latency of 99%", unit: "ms" },
  p999: { title: "1,000 begun per second, latency of 99.9%", unit: "ms" },
  clientMemory: { title: "client's resident memory after all that", unit: "MiB" },
  serverMemory: { title: "server's resident memory after all that", unit: "MiB" },
} as const satisfies Readonly<Record<string, Pick<Measurement, "title" | "unit">>>;

type Quantity = keyof typeof quantities;

/** Calls of 1 KiB over a Unix socket, TCP on the loopback interface, and TLS there with certificates on both sides. */
export async function measureCarriers(plan: Plan): Promise<readonly Measurement[]> {
  const { certificate, key } = await createThrowawayCertificate();
  const carriers: readonly { readonly title: string; readonly carrier?: Carrier }[] = [
    { title: "Unix socket" },
    { title: "TCP", carrier: { identity: undefined } },
    { title: "mutual TLS", carrier: { identity: { certificate, key } } },
  ];
  const contenders = among(plan, ["ttrpc", "grpc", "grpc-js", "connect-node", "capnweb", "raw"]);
  const names = Object.keys(quantities) as Quantity[];
  const measurements: Measurement[] = [];
  for (const { title, carrier } of carriers) {
    const collected = new Map(names.map((name) => [name, createRounds([])]));
    const failures: Record<string, string> = {};
    const rounds = plan.isQuick ? 1 : 3;
    for (let round = 0; round < rounds; round++) {
      for (const contender of inTurn(contenders, round)) {
        process.stderr.write(`carriers, ${title}, ${contender.name}, round ${round + 1} of ${rounds}\n`);
        try {
          const measured = await measureOne(plan, contender, carrier);
          for (const name of names) {
            collected.get(name)?.add(contender.name, measured[name]);
          }
        } catch (error) {
          failures[contender.name] = String(error);
        }
      }
    }
    for (const [name, each] of collected) {
      const { title: what, unit } = quantities[name];
      measurements.push({ part: "carriers", title: `${title}, 1 KiB, ${what}`, unit, rounds: each.rounds, failures });
    }
  }
  return measurements;
}

async function measureOne(
  plan: Plan,
  contender: Contender,
  carrier: Carrier | undefined,
): Promise<Readonly<Record<Quantity, number>>> {
  const milliseconds = plan.isQuick ? 20 : 700;
  await using ends = await startWarm(plan, contender, carrier);
  const one = await measureCalls(ends, 1024, 1, milliseconds);
  const { calls: many, client, server } = await measureCalls(ends, 1024, 64, milliseconds);
  const latencies = await ends.ask("openLoop", 1024, 1000, plan.isQuick ? 100 : 2000);
  const [clientMemory, serverMemory] = await Promise.all([ends.ask("memory"), ends.serverMemory()]);
  return {
    one: one.calls,
    many,
    client,
    server,
    ...latencies,
    clientMemory: clientMemory.resident,
    serverMemory: serverMemory.resident,
  };
}
