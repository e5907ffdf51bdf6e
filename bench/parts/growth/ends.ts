import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { Contender } from "../../contender.ts";
import type { Identity } from "../../contenders/identity.ts";
import { identityVariable } from "../../contenders/identity.ts";
import { firstLine } from "../../server-process.ts";
import type { Operations } from "./client-program.ts";
import type { Memory } from "./own-memory.ts";

/** Processor time that both processes have taken up to now, in milliseconds. */
export interface Processor {
  readonly client: number;
  readonly server: number;
}

/** A contender's client and server, each in a process of its own. */
export interface Ends extends AsyncDisposable {
  /** True if both ends are Node's, and the client is no child of the process that is looked at. */
  readonly isNode: boolean;
  /** From the spawn of the server until it listened, in milliseconds. */
  readonly startMs: number;
  ask<Name extends keyof Operations>(
    operation: Name,
    ...args: Parameters<Operations[Name]>
  ): Promise<Awaited<ReturnType<Operations[Name]>>>;
  processor(): Promise<Processor>;
  /** Memory of the server after its garbage was collected. Node's only. */
  serverMemory(): Promise<Memory>;
}

/** How the ends reach each other. */
export type Carrier = { readonly path: string } | { readonly identity: Identity | undefined };

/** Longest that either end may take for one thing. */
const longestMs = 120_000;

/** Starts a contender's server, with these arguments after the place, then its client. */
export async function startEnds(
  { name, server: command }: Contender,
  carrier: Carrier,
  args: readonly string[] = [],
): Promise<Ends> {
  const place = "path" in carrier ? carrier.path : `tcp:${await freePort()}`;
  const identity = "path" in carrier ? undefined : carrier.identity;
  if ("path" in carrier) {
    rmSync(carrier.path, { force: true });
  }
  const env = { ...process.env, ...(identity && { [identityVariable]: JSON.stringify(identity) }) };
  const start = (file: string, args: readonly string[]) =>
    spawn(file, args, { stdio: ["ignore", "pipe", "inherit", "ipc"], env });
  const preload = new URL("tell-memory.ts", import.meta.url).href;
  const [program = "", ...before] = command;
  const isNode = program === process.execPath;
  const server = start(program, [...(isNode ? ["--expose-gc", `--import=${preload}`] : []), ...before, place, ...args]);
  const started = performance.now();
  const stack = new AsyncDisposableStack();
  stack.adopt(server, kill);
  try {
    await firstLine(server, command);
    const startMs = performance.now() - started;
    const file = fileURLToPath(new URL("client-program.ts", import.meta.url));
    const flags = ["--conditions=plugboard-source", "--expose-gc"];
    const client = stack.adopt(start(process.execPath, [...flags, file, name, place]), kill);
    await reply(client);
    return {
      isNode,
      startMs,
      ask: (operation, ...numbers) => request(client, { operation, args: numbers }),
      processor: async () => ({ client: await processorMs(client), server: await processorMs(server) }),
      serverMemory: () => request(server, {}),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** What a child says to a question. One at a time. */
async function request<T>(child: ChildProcess, question: object): Promise<T> {
  child.send(question);
  return reply(child);
}

async function reply<T>(child: ChildProcess): Promise<T> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, AbortSignal.timeout(longestMs)]);
  try {
    const [message] = await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(([code]) => {
        throw new Error(`one end exited with ${code}`);
      }),
    ]);
    if (message.failure !== undefined) {
      throw new Error(message.failure);
    }
    return message.value;
  } finally {
    done.abort();
  }
}

async function kill(child: ChildProcess) {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
}

/** `NaN` where the system has no /proc. */
async function processorMs({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // utime and stime come 12th and 13th after the name, in hundredths of a second.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
