import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { buildFolder } from "./server-program.ts";

/** A server that runs as a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  readonly path: string;
  /** Memory that is resident now, in bytes; `undefined` where the system has no /proc. */
  residentBytes(): Promise<number | undefined>;
}

/** Starts a server and waits until it says that it listens. */
export async function startServer(command: readonly string[], path: string): Promise<ServerProcess> {
  rmSync(path, { force: true });
  const child = spawnWithCache([...command, path]);
  await firstLine(child, command);
  return {
    path,
    residentBytes: () => residentBytes(child),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, "exit");
        child.kill("SIGTERM");
        await exited;
      }
    },
  };
}

/** Starts a process whose modules Node keeps compiled, as a plugin's can be. */
export function spawnWithCache([program = "", ...args]: readonly string[]): ChildProcess {
  return spawn(program, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: `${buildFolder}compile-cache` },
  });
}

/** Waits for the first thing that a process prints. */
export async function firstLine(child: ChildProcess, command: readonly string[]): Promise<void> {
  const exited = once(child, "exit").then(([code]) => {
    throw new Error(`exited with ${code}: ${command.join(" ")}`);
  });
  exited.catch(() => undefined);
  await Promise.race([child.stdout && once(child.stdout, "data"), exited]);
  child.stdout?.resume();
}

/** Memory of a process that is resident now. */
export async function residentBytes({ pid }: ChildProcess): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}
