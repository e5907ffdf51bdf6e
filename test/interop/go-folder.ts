import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder of the Go programs of this run. */
    goFolder: string;
  }
}

/** Gives all tests of a run one folder for Go programs, and removes it in the end. */
export default async function setup(project: TestProject) {
  const folder = await mkdtemp(join(tmpdir(), "plugboard-go-"));
  project.provide("goFolder", folder);
  return () => rm(folder, { recursive: true, force: true });
}
