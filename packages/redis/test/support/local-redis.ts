import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** True if the tests that need it have to be skipped, which they never are in CI. */
export const lacksRedis = spawnSync("redis-server", ["--version"]).status !== 0 && process.env.CI === undefined;

/** A Redis server that keeps everything in memory. */
export interface LocalRedis extends AsyncDisposable {
  /** Sends a signal, and waits for nothing. */
  signal(signal: NodeJS.Signals): void;
}

/** Starts a Redis server on a Unix socket, and waits until it takes connections. */
export async function startRedis(path: string, password: string): Promise<LocalRedis> {
  const server = spawn(
    "redis-server",
    ["--port", "0", "--unixsocket", path, "--requirepass", password, "--save", "", "--appendonly", "no"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = once(server, "exit");
  const printed: string[] = [];
  for await (const line of createInterface(server.stdout)) {
    printed.push(line);
    if (/ready to accept connections/i.test(line)) {
      break;
    }
  }
  if (server.exitCode !== null) {
    throw new Error(`Redis did not start:\n${printed.join("\n")}`);
  }
  server.stdout.resume();
  return {
    signal: (signal) => server.kill(signal),
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await exited;
    },
  };
}
