import type { Contender } from "../../contender.ts";
import type { Carrier, Ends } from "./ends.ts";
import { startEnds } from "./ends.ts";

/** How much of growth to measure, and of whom. */
export interface Plan {
  readonly contenders: readonly Contender[];
  /** Little, to see that all of it works. */
  readonly isQuick: boolean;
  /** A path for a Unix socket. */
  pathOf(name: string): string;
}

/** The contenders of these names that take part. */
export function among({ contenders }: Plan, names: readonly string[]): readonly Contender[] {
  return contenders.filter(({ name }) => names.includes(name));
}

/** Starts both ends and calls for a moment, so that what comes next is compiled. */
export async function startWarm({ pathOf, isQuick }: Plan, contender: Contender, carrier?: Carrier): Promise<Ends> {
  const ends = await startEnds(contender, carrier ?? { path: pathOf(contender.name) });
  await ends.ask("unary", 1024, 64, isQuick ? 20 : 500);
  return ends;
}

/** Processor time of each end for one call, in microseconds, and calls per second. */
export async function measureCalls(ends: Ends, size: number, concurrency: number, milliseconds: number) {
  const before = await ends.processor();
  const { done, seconds } = await ends.ask("unary", size, concurrency, milliseconds);
  const after = await ends.processor();
  return {
    calls: done / seconds,
    client: ((after.client - before.client) * 1000) / done,
    server: ((after.server - before.server) * 1000) / done,
  };
}
