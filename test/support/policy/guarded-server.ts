import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { AuthVariables } from "../../policy/fixtures/auth.ts";
import { startWorker } from "../local-worker.ts";

/** A plugin that is served with `auth`. */
export interface GuardedServer {
  /** As connect() takes it, by http:. */
  readonly url: string;
  /** What was logged so far: for each denial a line of JSON. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** Serves it from a process of its own. */
export async function startInNode(variables: AuthVariables): Promise<GuardedServer> {
  const program = ["--conditions=plugboard-source", "test/policy/fixtures/serve.ts", "--listen", "tcp:127.0.0.1:0"];
  const child = spawn("node", program, { env: { ...process.env, ...variables }, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk) => {
    log += chunk;
  });
  const exited = once(child, "exit");
  const [line] = await Promise.race([once(createInterface(child.stdout), "line"), exited]);
  const url = / listens on tcp:(.*)$/.exec(String(line))?.[1];
  if (url === undefined) {
    throw new Error(`it did not start: ${log}`);
  }
  return {
    url: `http://${url}`,
    log: async () => log,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

/** Serves it from workerd. */
export async function startInWorkerd(variables: AuthVariables): Promise<GuardedServer> {
  const { url, stop } = await startWorker("test/policy/fixtures/worker.ts", { ...variables });
  return { url, stop, log: async () => (await fetch(`${url}/denials`)).text() };
}

/** Runtimes in which a plugin is served to anybody. */
export const runtimes = [
  ["Node", startInNode],
  ["workerd", startInWorkerd],
] as const;
