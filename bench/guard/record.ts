import { readFileSync, writeFileSync } from "node:fs";
import { spread } from "../statistics.ts";
import type { Ratios } from "./compare.ts";
import { allowedLoss } from "./compare.ts";

/** A row as several runs have shown it. */
export interface RecordedRow {
  /** The median of the runs, which a later run is compared with. */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
}

/** What was recorded on machines with one number of cores. */
export interface Recording {
  readonly node: string;
  readonly processor: string;
  readonly runs: number;
  readonly rows: Readonly<Record<string, RecordedRow>>;
}

/** The recordings of a file by the number of cores; none if there is no such file. */
export function readRecordings(file: URL): Readonly<Record<string, Recording>> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return {};
    }
    throw error;
  }
  return JSON.parse(text);
}

/** Puts a recording in the place of the one for the same number of cores. */
export function writeRecording(file: URL, cores: number, recording: Recording): void {
  const all = { ...readRecordings(file), [cores]: recording };
  const text = JSON.stringify(all, (_, value) => (typeof value === "number" ? Number(value.toPrecision(4)) : value), 1);
  writeFileSync(file, `${text}\n`);
}

/** The rows of several runs. One that a run lacks is as if it had never been measured. */
export function rowsOf(runs: readonly Ratios[]): Readonly<Record<string, RecordedRow>> {
  const names = Object.keys(runs[0] ?? {}).filter((name) => runs.every((run) => Number.isFinite(run[name])));
  return Object.fromEntries(
    names.map((name) => {
      const { median, min, max } = spread(runs.map((run) => run[name] ?? Number.NaN));
      return [name, { ratio: median, lowest: min, highest: max }];
    }),
  );
}

/** The ratios to compare with. */
export function ratiosOf({ rows }: Recording): Ratios {
  return Object.fromEntries(Object.entries(rows).map(([name, { ratio }]) => [name, ratio]));
}

/** What a row varies by, and whether that alone could fail it. */
export function formatNoise([name, { ratio, lowest, highest }]: readonly [string, RecordedRow]): string {
  const [down, up] = [lowest, highest].map((value) => Math.round((value / ratio - 1) * 100));
  const note = lowest < ratio * (1 - allowedLoss) ? "  MORE THAN A THIRD: give it more rounds" : "";
  return `${name}: ${Number(ratio.toPrecision(3))}, ${down}% to +${up}%${note}`;
}
