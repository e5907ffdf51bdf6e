import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import type { Measurement } from "../measurement.ts";
import type { Spread } from "../statistics.ts";
import { ratio, spread } from "../statistics.ts";
import type { Outcome } from "../targets.ts";
import { outcomes } from "../targets.ts";
import { drawCharts } from "./charts.ts";

/** What bench.json holds. */
export interface Results {
  readonly note: string;
  readonly startup: string;
  readonly node: string;
  readonly processor: string;
  readonly rounds: number;
  /** Contenders that could not be measured, and why. */
  readonly missing: Readonly<Record<string, string>>;
  readonly targets: readonly Outcome[];
  readonly measurements: readonly Measured[];
}

/** A measurement as it is written down. */
export interface Measured extends Omit<Measurement, "rounds"> {
  readonly contenders: readonly (Spread & {
    readonly name: string;
    readonly values: readonly number[];
    /** Ours over it, the median of rounds. */
    readonly ratioOfOurs?: number;
  })[];
}

/** What was measured, and on what. */
export interface Run {
  readonly measurements: readonly Measurement[];
  readonly missing: Readonly<Record<string, string>>;
  readonly rounds: number;
}

/** The machine, as far as results depend on it. */
export const machine = { node: process.version, processor: `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}` };

/** Writes bench.json and the charts. Returns the targets, and whether they were met. */
export function writeResults(
  folder: string,
  { measurements, missing, rounds }: Run,
  titleOf: (contender: string) => string,
): readonly Outcome[] {
  mkdirSync(folder, { recursive: true });
  const targets = outcomes(measurements);
  const results: Results = {
    note: "Ratios within this run are results; absolute figures depend on the machine and on what else it did.",
    startup: "The package as npm run build makes it, with Node's compile cache on and filled by rounds not counted.",
    ...machine,
    rounds,
    missing,
    targets,
    measurements: measurements.map(({ rounds: values, ...rest }) => ({ ...rest, contenders: contendersOf(values) })),
  };
  writeFileSync(join(folder, "bench.json"), `${JSON.stringify(results, roundedNumbers, 1)}\n`);
  for (const [name, drawing] of drawCharts(measurements, titleOf)) {
    writeFileSync(join(folder, name), drawing);
  }
  return targets;
}

/** The results of an earlier run; `undefined` if there are none. */
export function readResults(folder: string): Results | undefined {
  const file = join(folder, "bench.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

/** Puts what was measured now in the place of the same parts of an earlier run on the same machine. */
export function withEarlier(run: Run, earlier: Results): Run {
  const again = new Set(run.measurements.map(({ part }) => part));
  const kept = earlier.measurements.filter(({ part }) => !again.has(part)).map(measurementOf);
  return { ...run, measurements: [...kept, ...run.measurements], missing: { ...earlier.missing, ...run.missing } };
}

/** What was written down, as it was measured. */
export function measurementOf({ contenders: all, ...rest }: Measured): Measurement {
  return { ...rest, rounds: Object.fromEntries(all.map(({ name, values }) => [name, values])) };
}

function contendersOf(rounds: Measurement["rounds"]): Measured["contenders"] {
  const mine = rounds.ttrpc ?? rounds.memory ?? rounds["edge(plugin)"];
  return Object.entries(rounds).map(([name, values]) => ({
    name,
    ...spread(values),
    ...(mine && { ratioOfOurs: ratio(mine, values).median }),
    values,
  }));
}

function roundedNumbers(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}
