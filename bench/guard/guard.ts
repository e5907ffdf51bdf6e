import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { buildFolder } from "../server-program.ts";
import type { Ratios } from "./compare.ts";
import { compare, fails, formatVerdict } from "./compare.ts";
import type { Row } from "./measure.ts";
import { measureRows } from "./measure.ts";
import { formatNoise, ratiosOf, readRecordings, rowsOf, writeRecording } from "./record.ts";

const file = new URL("../results/ratios.json", import.meta.url);
const cores = availableParallelism();

/** Pairs of a row. */
const rounds = 15;
/** The same for a row that seems to have lost, before it fails. */
const roundsOfDoubt = 45;

/** Compares a short run with the record for as many cores. Returns whether every row has kept what it had. */
export async function check(): Promise<boolean> {
  const recordings = readRecordings(file);
  const recording = recordings[cores];
  if (recording === undefined) {
    const known = Object.keys(recordings).join(", ") || "none";
    console.log(
      `NOT COMPARED: no ratios are recorded for ${cores} cores (recorded: ${known}). Record them: npm run bench -- --record`,
    );
    return true;
  }
  const recorded = ratiosOf(recording);
  const first = await measureRows(rounds, () => true);
  const doubtful = compare(recorded, ratiosIn(first)).filter(fails);
  const again =
    doubtful.length === 0 ? [] : await measureRows(roundsOfDoubt, (name) => doubtful.some(({ row }) => row === name));
  const commands = new Map([...first, ...again].map(({ name, command }) => [name, command]));
  const verdicts = compare(recorded, { ...ratiosIn(first), ...ratiosIn(again) });
  for (const verdict of verdicts) {
    console.log(formatVerdict(verdict, commands.get(verdict.row) ?? "npm run bench"));
  }
  const failed = verdicts.filter(fails).length;
  console.log(`${verdicts.length - failed} rows kept their ratio on ${cores} cores, ${failed} failed`);
  return failed === 0;
}

/**
 * Runs so often and says what each row varies by; `isRecorded` makes the medians the record for as many cores. Runs of the
 * same commit that an earlier command has finished count, so that one that was interrupted goes on.
 */
export async function measureNoise(count: number, isRecorded: boolean): Promise<void> {
  const notes = join(buildFolder, `noise-${cores}-${commit()}.jsonl`);
  mkdirSync(buildFolder, { recursive: true });
  const runs: Ratios[] = readNotes(notes);
  while (runs.length < count) {
    console.error(`run ${runs.length + 1} of ${count}`);
    const run = ratiosIn(await measureRows(rounds, () => true));
    appendFileSync(notes, `${JSON.stringify(run)}\n`);
    runs.push(run);
  }
  const rows = rowsOf(runs);
  for (const row of Object.entries(rows)) {
    console.log(formatNoise(row));
  }
  console.log(`${runs.length} runs on ${cores} cores, kept in ${notes}: delete it to begin anew`);
  if (isRecorded) {
    const processor = cpus()[0]?.model ?? "unknown";
    writeRecording(file, cores, { node: process.version, processor, runs: runs.length, rows });
    console.log(
      `recorded in bench/results/ratios.json for ${cores} cores; put it into docs/performance.md: npm run performance`,
    );
  }
}

function ratiosIn(rows: readonly Row[]): Ratios {
  return Object.fromEntries(rows.map(({ name, ratio }) => [name, ratio]));
}

function readNotes(path: string): Ratios[] {
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

function commit(): string {
  return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
}
