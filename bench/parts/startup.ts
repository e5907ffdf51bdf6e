import { once } from "node:events";
import type { Contender } from "../contender.ts";
import type { Effort, Measurement } from "../measurement.ts";
import { createRounds, inTurn } from "../measurement.ts";
import { firstLine, residentBytes, spawnWithCache, startServer } from "../server-process.ts";
import { bundledServer } from "../server-program.ts";

/** Node that does nothing, to compare with. */
const bare = "node -e 0";

const bundled = "ttrpc, bundled";

/** Time from spawn to the first response, and memory that is resident then. */
export async function measureStartup(
  contenders: readonly Contender[],
  effort: Effort,
  pathOf: (name: string) => string,
): Promise<readonly Measurement[]> {
  process.stderr.write("start\n");
  const runs = [
    { name: bare, run: runBare },
    ...contenders.flatMap((contender) => [
      { name: contender.name, run: () => runContender(contender, pathOf(contender.name)) },
      // Ours also as plugins are told to be bundled; the others, and ours above, with their packages outside.
      ...(contender.name === "ttrpc"
        ? [{ name: bundled, run: () => runContender({ ...contender, builtServer: bundledServer }, pathOf(bundled)) }]
        : []),
    ]),
  ];
  const names = runs.map(({ name }) => name);
  const times = createRounds(names);
  const memory = createRounds(names);
  // Two rounds that do not count: one in which Node compiles and keeps what it made, one that finds it.
  for (let round = -1; round <= effort.rounds; round++) {
    for (const { name, run } of inTurn(runs, round + 1)) {
      const { milliseconds, bytes } = await run();
      if (round > 0) {
        times.add(name, milliseconds);
        if (bytes !== undefined) {
          memory.add(name, bytes / (1024 * 1024));
        }
      }
    }
  }
  return [
    { part: "startup", title: "from spawn to the first response", unit: "ms", rounds: times.rounds },
    { part: "startup", title: "resident memory after the first response", unit: "MiB", rounds: memory.rounds },
  ];
}

async function runContender({ builtServer, server, connect }: Contender, path: string) {
  const start = performance.now();
  await using running = await startServer(builtServer ?? server, path);
  const driver = await connect(path);
  // One call.
  await driver.unary(16, 1, 0);
  const milliseconds = performance.now() - start;
  const bytes = await running.residentBytes();
  await driver.close();
  return { milliseconds, bytes };
}

async function runBare() {
  const start = performance.now();
  const short = spawnWithCache([process.execPath, "-e", "0"]);
  await once(short, "exit");
  const milliseconds = performance.now() - start;
  // The same, but it stays long enough to be looked at.
  const command = [process.execPath, "-e", "console.log(0); setInterval(() => {}, 1e6)"];
  const long = spawnWithCache(command);
  await firstLine(long, command);
  const bytes = await residentBytes(long);
  long.kill();
  return { milliseconds, bytes };
}
