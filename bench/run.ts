/**
 * Runs the benchmarks: prints what they show and writes it, with charts, to bench/results. With `--quick` or `--only`
 * the results go to bench/build, as they are not all there.
 *
 * `--check` compares a short run with the ratios that are recorded for as many cores, and fails where one has lost more
 * than a third. `--record` records them; `--noise 20` runs so often, and tells what each varies by.
 */
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { drawCharts } from "./charts.ts";
import { contenders } from "./contenders/all.ts";
import { check, measureNoise } from "./guard/guard.ts";
import type { Measurement, Part } from "./measurement.ts";
import { fullEffort, parts, quickEffort } from "./measurement.ts";
import { measureStreaming, measureUnary } from "./parts/calls.ts";
import { connectAll } from "./parts/connected.ts";
import { measureEdge } from "./parts/edge.ts";
import { measureMemory } from "./parts/memory.ts";
import { measureStartup } from "./parts/startup.ts";
import { formatMeasurement, formatOutcomes } from "./report.ts";
import { buildFolder, buildGo, buildServers } from "./server-program.ts";
import { ratio, spread } from "./statistics.ts";
import { outcomes } from "./targets.ts";

const {
  quick,
  only,
  check: isCheck,
  record,
  noise,
} = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
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

const known: readonly string[] = [...contenders.map(({ name }) => name), ...parts];
const unknown = only.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`--only ${unknown.join(", ")}: there is no such contender or part. There are: ${known.join(", ")}`);
  process.exit(1);
}
const wantedParts = chosen(parts, (part) => part);
const effort = quick ? quickEffort : fullEffort;

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

const reached = outcomes(measurements);
for (const measurement of measurements) {
  console.log(formatMeasurement(measurement));
}
console.log(formatOutcomes(reached));
writeResults(quick || only.length > 0 ? join(buildFolder, "results") : folderOf("results/"));

function isWanted(part: Part): boolean {
  return wantedParts.includes(part);
}

/** What `--only` names of these; all of them if it names none of them. */
function chosen<T>(all: readonly T[], nameOf: (each: T) => string): readonly T[] {
  const named = all.filter((each) => only.includes(nameOf(each)));
  return named.length > 0 ? named : all;
}

function folderOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

function writeResults(folder: string) {
  mkdirSync(folder, { recursive: true });
  const results = {
    note: "Ratios within this run are results; absolute figures depend on the machine and on what else it did.",
    startup: "The package as npm run build makes it, with Node's compile cache on and filled by rounds not counted.",
    node: process.version,
    processor: `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}`,
    rounds: effort.rounds,
    missing,
    targets: reached,
    measurements: measurements.map(({ rounds, ...rest }) => {
      const mine = rounds.ttrpc ?? rounds.memory ?? rounds["edge(plugin)"];
      return {
        ...rest,
        contenders: Object.entries(rounds).map(([name, values]) => ({
          name,
          ...spread(values),
          ...(mine && { ratioOfOurs: ratio(mine, values).median }),
          values,
        })),
      };
    }),
  };
  writeFileSync(join(folder, "bench.json"), `${JSON.stringify(results, roundedNumbers, 1)}\n`);
  const titleOf = (name: string) => contenders.find((each) => each.name === name)?.title ?? name;
  for (const [name, drawing] of drawCharts(measurements, titleOf)) {
    writeFileSync(join(folder, name), drawing);
  }
  console.log(`Results and charts are in ${folder}`);
}

function roundedNumbers(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}
