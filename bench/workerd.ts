import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { buildFolder } from "./server-program.ts";
import { workerBundle } from "./worker-bundle.ts";

/** A Worker in a workerd of its own, with nothing of wrangler's between the two ends. */
export interface WorkerdProcess extends AsyncDisposable {
  readonly port: number;
  /** Processor time it has taken up to now, in milliseconds; `undefined` where the system has no /proc. */
  processorMs(): Promise<number | undefined>;
}

/** Bundles a Worker as wrangler.toml has it done. Returns the configuration that workerd runs it by. */
export async function buildWorker(name: string, entry: string): Promise<string> {
  const folder = join(buildFolder, "workers");
  await build({
    ...workerBundle,
    entryPoints: [entry],
    outfile: join(folder, `${name}.js`),
  });
  const config = join(folder, `${name}.capnp`);
  await writeFile(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "${name}.js", esModule = embed "${name}.js")],
    compatibilityDate = "2026-11-17",
    compatibilityFlags = ["no_nodejs_compat"],
    bindings = [(name = "PLUGBOARD_CONFIG", json = "{\\"extensions\\":[\\"EXTENSION_GFM\\"]}")],
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
  );
  return config;
}

/** Starts wrangler's workerd, which npm scripts find by its name, and waits until it says where it listens. */
export async function startWorkerd(config: string): Promise<WorkerdProcess> {
  const child = spawn("workerd", ["serve", "--control-fd=3", config], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  const control = child.stdio[3];
  if (control === undefined || control === null || !("read" in control)) {
    throw new TypeError("workerd has no control pipe");
  }
  const exited = once(child, "exit");
  const [line] = await Promise.race([
    once(createInterface(control), "line"),
    exited.then(([code]) => {
      throw new Error(`workerd exited with ${code}`);
    }),
  ]);
  const { port } = JSON.parse(line) as { readonly port: number };
  return {
    port,
    async processorMs() {
      const stat = await readFile(`/proc/${child.pid}/stat`, "utf8").catch(() => undefined);
      // utime and stime come 12th and 13th after the name, in hundredths of a second.
      const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
      return fields && (Number(fields[11]) + Number(fields[12])) * 10;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        await exited;
      }
    },
  };
}
