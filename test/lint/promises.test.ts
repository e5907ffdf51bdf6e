import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const { plugins, linter } = JSON.parse(readFileSync("biome.json", "utf8"));

/** The wrong lines of a program by the rules on promises that hold in src/. */
function wrongLines(program: string): readonly number[] {
  const directory = mkdtempSync(join(tmpdir(), "lint-"));
  try {
    const { noFloatingPromises, noMisusedPromises } = linter.rules.nursery;
    const config = {
      root: true,
      plugins: plugins.map(({ path }: { readonly path: string }) => resolve(path)),
      linter: { rules: { preset: "none", nursery: { noFloatingPromises, noMisusedPromises } } },
    };
    writeFileSync(join(directory, "biome.json"), JSON.stringify(config));
    writeFileSync(join(directory, "program.ts"), program);
    const { stdout } = spawnSync(resolve("node_modules/.bin/biome"), ["lint", "--reporter=github", "."], {
      cwd: directory,
      encoding: "utf8",
    });
    return [...stdout.matchAll(/^::error .*\bline=(\d+)/gm)].map(([, line]) => Number(line));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const before = `
declare const emitter: import("node:events").EventEmitter;
declare const target: EventTarget;
declare function createServer(listener: () => void): void;
async function work(): Promise<void> {}
export function probe(): void {
`;

/** True if a statement is found to be wrong. */
function isWrong(statement: string): boolean {
  const lines = wrongLines(`${before}${statement}\n}\n`);
  const own = before.split("\n").length;
  expect(lines.filter((line) => line !== own)).toEqual([]);
  return lines.length > 0;
}

test.each([
  'emitter.on("x", async () => work());',
  'emitter.once("x", async function () { await work(); });',
  'target.addEventListener("x", async () => work(), { once: true });',
  "createServer(async () => work());",
  "setTimeout(async () => work(), 1);",
  "process.nextTick(async () => work());",
  "work();",
  "work().then(() => 1);",
  "void work();",
  "void work().then(() => 1);",
  "void work().finally(() => 1);",
])("lint refuses what can end the process: %s", (statement) => {
  expect(isWrong(statement)).toBe(true);
});

test.each([
  'emitter.on("x", () => { work().catch(() => undefined); });',
  'target.addEventListener("x", () => undefined, { once: true });',
  "work().then(() => 1, () => 2);",
  "void work().catch(() => undefined);",
  "setTimeout(() => undefined, 1);",
])("lint takes what can't: %s", (statement) => {
  expect(isWrong(statement)).toBe(false);
});
