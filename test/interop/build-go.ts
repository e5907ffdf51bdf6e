import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { inject } from "vitest";

/** True if tests against Go are to be skipped: there is no Go toolchain on PATH. In CI they fail instead. */
export const lacksGo = spawnSync("go", ["version"]).status !== 0 && process.env.CI === undefined;

const building = new Map<string, Promise<string>>();

/**
 * Builds a Go program, once in a run of the tests, and returns its path.
 * @param module Folder of the Go module that is built, or that requires the package's module.
 * @param packagePath Such as "." or "./plugin", or the import path of a package of another module.
 */
export function buildGo(module: string, packagePath: string): Promise<string> {
  const identity = createHash("sha256").update(`${module} ${packagePath}`).digest("hex").slice(0, 12);
  const command = join(inject("goFolder"), `${basename(join(module, packagePath))}-${identity}`);
  let built = building.get(command);
  if (built === undefined) {
    built = build(module, packagePath, command);
    building.set(command, built);
  }
  return built;
}

async function build(module: string, packagePath: string, command: string): Promise<string> {
  if (existsSync(command)) {
    return command;
  }
  // Test files run in processes of their own, and several may need the same program at the same time.
  const unfinished = `${command}.${process.pid}`;
  // Nothing but modules is to be downloaded, no other toolchain either.
  const env = { ...process.env, GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly" };
  const args = ["build", "-trimpath", "-buildvcs=false", "-o", unfinished, packagePath];
  try {
    await promisify(execFile)("go", args, { cwd: module, env });
    await rename(unfinished, command);
  } finally {
    await rm(unfinished, { force: true });
  }
  return command;
}
