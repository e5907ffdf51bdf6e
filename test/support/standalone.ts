import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A plugin that stands alone. */
export interface Standalone {
  /** The address that it listens on, as connect() takes it. */
  readonly address: string;
  readonly pid: number;
  /** Settles with the exit code. */
  readonly exited: Promise<number | null>;
  /** Sends a signal, SIGTERM unless told otherwise, and waits for the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Sends a signal and waits for nothing. */
  signal(signal: NodeJS.Signals): void;
}

/**
 * Starts a plugin with --listen and waits until it says that it listens.
 * @param env Added to the environment.
 */
export async function startStandalone(
  [file, ...args]: readonly [string, ...string[]],
  listen: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Standalone> {
  const child = spawn(file, [...args, "--listen", listen], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const lines = createInterface(child.stdout);
  const first: unknown = (await Promise.race([once(lines, "line"), exited]))[0];
  const address = / listens on (.+)$/.exec(String(first))?.[1];
  if (address === undefined) {
    throw new Error(`the plugin did not start: ${String(first)}`);
  }
  return {
    address,
    pid: child.pid ?? 0,
    exited: exited.then(([code]) => code),
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      const [code] = await exited;
      return code;
    },
    signal(signal) {
      child.kill(signal);
    },
  };
}
