import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { buildGo } from "../interop/build-go.ts";

/** Something that has to pass the suite. */
export interface Target {
  readonly name: string;
  /** On which side of the calls it is. */
  readonly mode: "client" | "server";
  /** What it can do, as https://github.com/connectrpc/conformance/blob/main/docs/configuring_and_running_tests.md has it. */
  readonly features: Readonly<Record<string, boolean | readonly string[]>>;
  /** What is left out of that: each entry stands for all tests that it describes. Default: nothing. */
  readonly exclude?: readonly Readonly<Record<string, string>>[];
  /** The program in programs/, with its arguments. */
  readonly program: readonly [file: string, ...args: string[]];
}

/** The result of a run. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** The runner's report on failed cases, and on everything else that went wrong. */
  readonly complaints: string;
}

/** Builds the suite's runner, once in a run of the tests; the version is that of go.mod. */
export function buildRunner(): Promise<string> {
  return buildGo(import.meta.dirname, "connectrpc.com/conformance/cmd/connectconformance");
}

/** Runs all tests of the suite that the target's features allow. */
export async function runSuite(
  { mode, features, exclude = [], program }: Target,
  signal: AbortSignal,
): Promise<Outcome> {
  const runner = await buildRunner();
  const folder = await mkdtemp(join(tmpdir(), "conformance-"));
  try {
    const config = join(folder, "config.yaml");
    // What is JSON is YAML.
    await writeFile(config, JSON.stringify({ features, excludeCases: exclude }));
    const [file, ...args] = program;
    const command = [
      process.execPath,
      "--conditions=plugboard-source",
      join(import.meta.dirname, "programs", file),
      ...args,
    ];
    const child = spawn(runner, ["--mode", mode, "--conf", config, "--", ...command], {
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, so that it can be ended with all that it has started.
      detached: true,
    });
    const end = () => {
      if (child.pid !== undefined) {
        process.kill(-child.pid, "SIGKILL");
      }
    };
    signal.addEventListener("abort", end);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
    signal.removeEventListener("abort", end);
    const [, passed = "0", failed = "0"] = /^(\d+) passed, (\d+) failed/m.exec(stdout) ?? [];
    const complaints = code === 0 ? "" : `${stdout}${stderr}\nthe runner has ended with ${code}`;
    return { passed: Number(passed), failed: Number(failed), complaints };
  } finally {
    await rm(folder, { recursive: true });
  }
}
