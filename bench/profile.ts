/**
 * Prints in which functions a contender's client and server spend their time, at 64 calls of 1 KiB at once and with a
 * stream of messages of 64 KiB: `npm run bench:profile -- grpc`. The default is ttrpc.
 */
import { mkdtempDisposableSync, readdirSync, readFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Driver } from "./contender.ts";
import { contenders } from "./contenders/all.ts";
import { startServer } from "./server-process.ts";

/** The part of V8's .cpuprofile that is used here. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples?: readonly number[] | undefined;
  readonly timeDeltas?: readonly number[] | undefined;
}

const milliseconds = 4_000;

const name = process.argv[2] ?? "ttrpc";
const contender = contenders.find((each) => each.name === name && each.server[0] === process.execPath);
if (contender === undefined) {
  throw new Error(`there is no contender ${name} that runs in Node`);
}
await profile("unary, 1 KiB, 64 at once", (driver, time) => driver.unary(1024, 64, time));
await profile("server stream, 64 KiB a message", (driver, time) => driver.stream(64 * 1024, 512, time));

async function profile(title: string, run: (driver: Driver, milliseconds: number) => Promise<unknown>) {
  using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-profile-"));
  const [program = "", ...args] = contender?.server ?? [];
  const path = join(folder.path, "socket");
  let client: Profile;
  {
    await using _server = await startServer([program, "--cpu-prof", `--cpu-prof-dir=${folder.path}`, ...args], path);
    const driver = await contender?.connect(path);
    if (driver === undefined) {
      return;
    }
    await run(driver, 1_000);
    const session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
    await run(driver, milliseconds);
    client = (await session.post("Profiler.stop")).profile;
    session.disconnect();
    await driver.close();
  }
  const file = readdirSync(folder.path).find((each) => each.endsWith(".cpuprofile")) ?? "";
  const server: Profile = JSON.parse(readFileSync(join(folder.path, file), "utf8"));
  console.log(`${title}\n\nclient\n${format(client)}\nserver\n${format(server)}`);
}

/** The functions with the most time of their own, as shares of the time that the process was busy. */
function format({ nodes, samples = [], timeDeltas = [] }: Profile): string {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, number>();
  let busy = 0;
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id);
    const time = timeDeltas[index] ?? 0;
    if (frame !== undefined && frame.functionName !== "(idle)") {
      busy += time;
      const { functionName, url, lineNumber } = frame;
      const key = `${functionName || "(anonymous)"}  ${url === "" ? "" : `${basename(url)}:${lineNumber + 1}`}`;
      times.set(key, (times.get(key) ?? 0) + time);
    }
  }
  return [...times]
    .sort(([, one], [, other]) => other - one)
    .slice(0, 25)
    .map(([key, time]) => `  ${((100 * time) / busy).toFixed(1).padStart(5)} %  ${key}\n`)
    .join("");
}
