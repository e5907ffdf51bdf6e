import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const peers = resolve("test/peers");

/** The output of `npm run peers`. */
const places = { rust: "build/rust", python: "build/python", niceGrpc: "nice-grpc/node_modules" } as const;

/** The prepared peers, as commands. */
export const peerCommands = {
  rust: (name: string) => [join(peers, places.rust, "debug", name)] as const,
  python: (name: string) => [join(peers, places.python, "bin/python"), join(peers, "python", name)] as const,
  niceGrpc: (name: string) => [process.execPath, join(peers, "nice-grpc", name)] as const,
};

/** True if tests with such peers are to be skipped: they were not prepared. In CI they fail instead. */
export function lacksPeers(kind: keyof typeof places): boolean {
  return !existsSync(join(peers, places[kind])) && process.env.CI === undefined;
}

/** A peer that serves. */
export interface PeerServer extends AsyncDisposable {
  /** The lines that it printed before it was ready. */
  readonly printed: readonly string[];
}

/** Starts a server and waits until it prints "ready". */
export async function startPeer([file, ...args]: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<PeerServer> {
  const child = spawn(file ?? "", args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const printed: string[] = [];
  const lines = createInterface(child.stdout);
  const ready = new Promise<void>((settle) => {
    lines.on("line", (line) => (line === "ready" ? settle() : printed.push(line)));
  });
  const gone = exited.then(([code]) => Promise.reject(new Error(`${file} ended with ${code}`)));
  gone.catch(() => {});
  await Promise.race([ready, gone]);
  return {
    printed,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/**
 * Starts a server on a Unix socket in a folder of its own.
 * @param argument Makes the server's argument from the address. Default: unix:/path.
 */
export async function startOnSocket(
  command: readonly string[],
  argument = (path: string) => `unix:${path}`,
): Promise<AsyncDisposable & { readonly address: string }> {
  const folder = await socketFolder();
  const path = join(folder.path, "s.sock");
  const server = await startPeer([...command, argument(path)]);
  return {
    address: `unix:${path}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** A peer's findings about a server of ours. */
export interface PeerCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Runs a client to its end. Each line that it prints is a check. */
export async function runPeer([file, ...args]: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<PeerCheck[]> {
  const child = spawn(file ?? "", args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const checks: PeerCheck[] = [];
  for await (const line of createInterface(child.stdout)) {
    checks.push(JSON.parse(line));
  }
  const [code] = await exited;
  if (code !== 0) {
    checks.push({ name: "the peer ends well", ok: false, detail: `exit code ${code}` });
  }
  return checks;
}

/** A folder for sockets, gone in the end. */
export async function socketFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "peers-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
