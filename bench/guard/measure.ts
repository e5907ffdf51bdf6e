import { mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contenders } from "../contenders/all.ts";
import type { Effort, Measurement } from "../measurement.ts";
import { formatSize } from "../measurement.ts";
import { inRounds } from "../parts/calls.ts";
import { connectAll } from "../parts/connected.ts";
import { buildWorkers, measureCalls } from "../parts/edge.ts";
import { measureMemory } from "../parts/memory.ts";
import { measureStartup } from "../parts/startup.ts";
import { buildServers } from "../server-program.ts";
import { ratio } from "../statistics.ts";
import { callRows } from "./rows.ts";

/** A row as one run has shown it. */
export interface Row {
  readonly name: string;
  /** Ours to the peer's, more is better; `NaN` if one of them could not be measured. */
  readonly ratio: number;
  /** Looks closer at it. */
  readonly command: string;
}

type IsWanted = (row: string) => boolean;

/**
 * Measures the rows of which `isWanted` is true. Many short rounds, as the median of pairs that follow each other
 * closely varies less than that of a few long ones.
 */
export async function measureRows(rounds: number, isWanted: IsWanted): Promise<readonly Row[]> {
  const effort: Effort = { rounds, milliseconds: 80, sizes: [16, 1024], concurrencies: [64] };
  return [
    ...(await measureCallRows(effort, isWanted)),
    ...(await measureMemoryRows(effort, isWanted)),
    ...(await measureEdgeRows(effort, isWanted)),
    ...(await measureStartRows(effort, isWanted)),
  ];
}

async function measureCallRows(effort: Effort, isWanted: IsWanted): Promise<readonly Row[]> {
  const wanted = callRows.filter(({ name }) => isWanted(name));
  const names = new Set(wanted.flatMap(({ ours, theirs }) => [ours, theirs]));
  using sockets = mkdtempDisposableSync(join(tmpdir(), "plugboard-bench-"));
  await using stack = new AsyncDisposableStack();
  const connected = await connectAll(
    contenders.filter(({ name }) => names.has(name)),
    (name) => join(sockets.path, `${name}.sock`),
    stack,
  );
  const rows: Row[] = [];
  for (const { name, ours, theirs, part, run } of wanted) {
    const pair = connected.filter((each) => each.name === ours || each.name === theirs);
    const { rounds, failures = {} } = await inRounds(name, pair, effort, (driver) => run(driver, effort.milliseconds));
    for (const [failed, reason] of Object.entries(failures)) {
      console.error(`${failed} failed: ${reason}`);
    }
    rows.push(rowOf(name, rounds[ours], rounds[theirs], `--only ${part} --only ${ours} --only ${theirs}`));
  }
  return rows;
}

async function measureMemoryRows(effort: Effort, isWanted: IsWanted): Promise<readonly Row[]> {
  const nameOf = ({ size = 0 }: Pick<Measurement, "size">) =>
    `in process, ${formatSize(size)}, 64 at once, of createRouterTransport`;
  if (!effort.sizes.some((size) => isWanted(nameOf({ size })))) {
    return [];
  }
  const measured = await measureMemory(effort);
  return measured.map(({ rounds, ...each }) =>
    rowOf(nameOf(each), rounds.memory, rounds.createRouterTransport, "--only memory"),
  );
}

async function measureEdgeRows(effort: Effort, isWanted: IsWanted): Promise<readonly Row[]> {
  const nameOf = ({ size = 0 }: Pick<Measurement, "size">) =>
    `Worker, JSON, ${formatSize(size)} of Markdown, 16 at once, of bare Hono`;
  if (![4, 1024].some((size) => isWanted(nameOf({ size })))) {
    return [];
  }
  const built = await buildWorkers(["edge(plugin)", "bare Hono"]);
  const measured = await measureCalls(built, effort, [16]);
  // What comes second of a size is per second of processor time, where that is known. It varies less, and counts.
  const counting = new Map(measured.map((each) => [each.size, each]));
  return [...counting.values()].map(({ rounds, ...each }) =>
    rowOf(nameOf(each), rounds["edge(plugin)"], rounds["bare Hono"], "--only edge"),
  );
}

async function measureStartRows(effort: Effort, isWanted: IsWanted): Promise<readonly Row[]> {
  const names = { ms: "start, node -e 0 of ttrpc", MiB: "memory after the start, node -e 0 of ttrpc" } as const;
  if (!Object.values(names).some(isWanted)) {
    return [];
  }
  await buildServers(["plugboard"]);
  using sockets = mkdtempDisposableSync(join(tmpdir(), "plugboard-bench-"));
  const ours = contenders.filter(({ name }) => name === "ttrpc");
  const measured = await measureStartup(ours, effort, () => join(sockets.path, "start.sock"));
  // Less is better here.
  return measured.flatMap(({ unit, rounds }) =>
    unit === "ms" || unit === "MiB"
      ? [rowOf(names[unit], rounds["node -e 0"], rounds.ttrpc, "--only startup --only ttrpc")]
      : [],
  );
}

function rowOf(
  name: string,
  ours: readonly number[] | undefined,
  theirs: readonly number[] | undefined,
  only: string,
): Row {
  return { name, ratio: ratio(ours ?? [], theirs ?? []).median, command: `npm run bench -- ${only}` };
}
