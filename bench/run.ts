/**
 * Runs the benchmarks: prints what they show and writes it, with charts, to bench/results. With `--quick` or `--only`
 * the results go to bench/build, as they are not all there; with `--only` and `--update`, in the place of what is in
 * bench/results of the same parts.
 *
 * `--check` compares a short run with the ratios that are recorded for as many cores, and fails where one has lost more
 * than a third. `--record` records them; `--noise 20` runs so often, and tells what each varies by.
 */
import { mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { contenders } from "./contenders/all.ts";
import { check, measureNoise } from "./guard/guard.ts";
import type { Measurement, Part } from "./measurement.ts";
import { fullEffort, growthParts, parts, quickEffort } from "./measurement.ts";
import { measureStreaming, measureUnary } from "./parts/calls.ts";
import { connectAll } from "./parts/connected.ts";
import { measureEdge } from "./parts/edge.ts";
import { measureGrowthPart } from "./parts/growth/all.ts";
import { growthContenders } from "./parts/growth/contenders.ts";
import { measureMemory } from "./parts/memory.ts";
import { measureStartup } from "./parts/startup.ts";
import { machine, readResults, withEarlier, writeResults } from "./report/results.ts";
import { formatMeasurement, formatOutcomes } from "./report/tables.ts";
import { buildFolder, buildGo, buildServers } from "./server-program.ts";

const {
  quick,
  only,
  update,
  check: isCheck,
  record,
  noise,
} = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
    update: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
    noise: { type: "string" },
  },
}).values;

if (isCheck) {
  process.exit((await check()) ? 0 : 1);
}
if (record || noise !== undefined) {
  const count = Number(noise ?? 1);
  if (!Number.isInteger(count) || count < 1) {
    console.error(`--noise ${noise}: it takes the number of runs`);
    process.exit(1);
  }
  await measureNoise(count, record);
  process.exit();
}

const allParts = [...parts, ...growthParts];
const known: readonly string[] = [...contenders.map(({ name }) => name), ...allParts, "growth"];
const unknown = only.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`--only ${unknown.join(", ")}: there is no such contender or part. There are: ${known.join(", ")}`);
  process.exit(1);
}
const wantedParts = chosen(allParts, (part) => part, only.includes("growth") ? growthParts : []);
const effort = quick ? quickEffort : fullEffort;

/** Where results go, and what is there already and stays. */
const folder = quick || (only.length > 0 && !update) ? join(buildFolder, "results") : folderOf("results/");
const earlier = update ? readResults(folder) : undefined;
if (update && contenders.some(({ name }) => only.includes(name))) {
  console.error("--update takes the place of whole parts: name no contender");
  process.exit(1);
}
if (earlier !== undefined && (earlier.node !== machine.node || earlier.processor !== machine.processor)) {
  console.error(`--update: what is there was measured with ${earlier.node} on ${earlier.processor}; measure all of it`);
  process.exit(1);
}

const missing: Record<string, string> = {};
const goFailure = chosen(contenders, ({ name }) => name).some(({ name }) => name === "grpc-go") ? buildGo() : undefined;
if (goFailure !== undefined) {
  missing["grpc-go"] = goFailure;
  console.error(`grpc-go is left out: ${goFailure}`);
}
const running = chosen(contenders, ({ name }) => name).filter(({ name }) => missing[name] === undefined);

using sockets = mkdtempDisposableSync(join(tmpdir(), "plugboard-bench-"));
const pathOf = (name: string) => join(sockets.path, `${name}.sock`);
const measurements: Measurement[] = [];

if (isWanted("startup")) {
  await buildServers(["plugboard", "grpc-js", "connect-node", "capnweb", "raw", "net"]);
  const started = await measureStartup(running, effort, pathOf);
  // Memory is not known everywhere.
  measurements.push(...started.filter(({ rounds }) => Object.values(rounds).some((values) => values.length > 0)));
}
if (isWanted("memory")) {
  measurements.push(...(await measureMemory(effort)));
}
if (isWanted("edge")) {
  measurements.push(...(await measureEdge(effort)));
}
if (isWanted("unary") || isWanted("streaming")) {
  await using stack = new AsyncDisposableStack();
  const connected = await connectAll(running, pathOf, stack);
  if (isWanted("unary")) {
    measurements.push(...(await measureUnary(connected, effort)));
  }
  if (isWanted("streaming")) {
    measurements.push(...(await measureStreaming(connected, effort)));
  }
}

for (const part of growthParts.filter(isWanted)) {
  const able = growthContenders.filter(({ name }) => running.some((each) => each.name === name));
  measurements.push(...(await measureGrowthPart[part]({ contenders: able, isQuick: quick, pathOf })));
}

const run = { measurements, missing, rounds: effort.rounds };
const titleOf = (contender: string) => contenders.find(({ name }) => name === contender)?.title ?? contender;
const targets = writeResults(folder, earlier === undefined ? run : withEarlier(run, earlier), titleOf);
for (const measurement of measurements) {
  console.log(formatMeasurement(measurement));
}
console.log(formatOutcomes(targets));
console.log(`Results and charts are in ${folder}`);
if (folder === folderOf("results/")) {
  console.log("Put them into docs/performance.md: npm run performance");
}
if (quick && measurements.some(({ failures = {} }) => Object.keys(failures).length > 0)) {
  // So little is within reach of every contender.
  process.exitCode = 1;
}

function isWanted(part: Part): boolean {
  return wantedParts.includes(part);
}

/** What `--only` names of these, and what a name of several stands for; all of them if it names none of them. */
function chosen<T>(all: readonly T[], nameOf: (each: T) => string, also: readonly T[] = []): readonly T[] {
  const named = all.filter((each) => only.includes(nameOf(each)) || also.includes(each));
  return named.length > 0 ? named : all;
}

function folderOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
