import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { run } from "./report.ts";

/** Makes a project of a user of ours, with the programs of a folder of consumers/. */
export function makeConsumer(name: string, folder: string): string {
  const project = join(folder, name);
  cpSync(resolve("scripts/release/consumers", name), project, { recursive: true });
  writeFileSync(join(project, "package.json"), JSON.stringify({ name, private: true, type: "module" }), { flag: "wx" });
  return project;
}

/** Installs what npm knows by these words. */
export function install(what: string, project: string, words: readonly string[]): void {
  run(what, "npm", ["install", "--no-audit", "--no-fund", ...words], project);
}

/** Checks the types of a project, those of its dependencies included. */
export function checkTypes(what: string, project: string): void {
  run(what, resolve("node_modules/.bin/tsc"), ["-p", "."], project);
}

/** These packages, in the versions that the lock file has of them. */
export function locked(...names: readonly string[]): readonly string[] {
  return names.map((name) => `${name}@${versionIn(".", name)}`);
}

/** The version of a package that is installed in a project. */
export function versionIn(project: string, name: string): string {
  return JSON.parse(readFileSync(join(project, "node_modules", name, "package.json"), "utf8")).version;
}
