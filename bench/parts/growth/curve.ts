import type { Contender } from "../../contender.ts";
import type { Curve, Measurement } from "../../measurement.ts";
import { createRounds, formatCount, inTurn } from "../../measurement.ts";
import type { Ends } from "./ends.ts";

/** One thing that grows, and what is measured meanwhile. */
export interface Growth<Name extends string> {
  readonly part: Measurement["part"];
  readonly along: string;
  readonly isBytes?: boolean;
  readonly points: readonly number[];
  /** The curves, by what `measure` calls them. */
  readonly curves: Readonly<Record<Name, Pick<Curve, "file" | "title"> & Pick<Measurement, "unit">>>;
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  /** Both ends, for each contender and round; if `isAnew`, for each point, too. */
  start(contender: Contender, at: number): Promise<Ends>;
  readonly isAnew?: boolean;
  /** At one point; the points come in their order. What is no number is left out. */
  measure(ends: Ends, at: number): Promise<Readonly<Record<Name, number>>>;
}

/** Measures along a curve. A contender that fails at a point is left out from there on, with the reason. */
export async function measureGrowth<Name extends string>(growth: Growth<Name>): Promise<readonly Measurement[]> {
  const { part, along, isBytes, points, curves, contenders, rounds, isAnew, start, measure } = growth;
  const names = Object.keys(curves) as Name[];
  const collected = points.map((at) => ({
    at,
    values: new Map(names.map((name) => [name, createRounds([])] as const)),
    failures: {} as Record<string, string>,
  }));
  for (let round = 0; round < rounds; round++) {
    for (const contender of inTurn(contenders, round)) {
      process.stderr.write(`${part}, ${contender.name}, round ${round + 1} of ${rounds}\n`);
      let reached = 0;
      try {
        await using stack = new AsyncDisposableStack();
        let ends: Ends | undefined;
        for (const { at, values } of collected) {
          if (ends === undefined || isAnew) {
            await ends?.[Symbol.asyncDispose]();
            ends = stack.use(await start(contender, at));
          }
          const measured = await measure(ends, at);
          for (const name of names) {
            if (Number.isFinite(measured[name])) {
              values.get(name)?.add(contender.name, measured[name]);
            }
          }
          reached += 1;
        }
      } catch (error) {
        for (const { failures } of collected.slice(reached)) {
          failures[contender.name] = String(error);
        }
      }
    }
  }
  return names.flatMap((name) => {
    const { unit, ...shown } = curves[name];
    const all = collected.map(({ at, values, failures }): Measurement => {
      const curve = { ...shown, along, at, ...(isBytes && { isBytes }) };
      const title = `${shown.title}, ${along}: ${formatCount(at)}`;
      return { part, title, unit, curve, rounds: values.get(name)?.rounds ?? {}, failures };
    });
    return all.filter(({ rounds: found, failures }) => Object.keys({ ...found, ...failures }).length > 0);
  });
}
