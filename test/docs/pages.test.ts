// The blocks of README.md and docs/, run top to bottom as a reader does, in a project made from the packed package.
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Block } from "./blocks.ts";
import { blocksOf } from "./blocks.ts";
import { openTerminal } from "./terminal.ts";

const root = resolve(import.meta.dirname, "../..");
const start = "docs/start.md";
const pages = ["README.md", ...globSync(["docs/**/*.md", "packages/*/README.md"], { cwd: root })]
  .filter((page) => page !== start)
  .toSorted();

/** The project that docs/start.md makes. The other pages go on in folders of it. */
const project = join(mkdtempSync(join(tmpdir(), "plugboard-docs-")), "app");

/** The folder in which the blocks of a page run. */
function folderOf(page: string): string {
  return page === start ? project : join(project, "pages", page.replace(/\.md$/, ""));
}

function write(folder: string, name: string, text: string): void {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Runs the blocks of a page in their order: files are written, commands run, and what they print is compared. */
async function runPage(page: string): Promise<void> {
  await using terminals = new AsyncDisposableStack();
  const blocks = blocksOf(page, join(root, page));
  for (const [index, block] of blocks.entries()) {
    const { language, file, text } = block;
    const next = blocks[index + 1];
    const expected = next?.printed ? next.text.trimEnd().split("\n") : [];
    if (language === "sh") {
      await runCommands(block, expected, terminals);
    } else if (language === "ts") {
      for (const [name, content] of modulesOf(block)) {
        write(folderOf(page), name, content);
      }
    } else if (file !== undefined) {
      write(folderOf(page), file, text);
    }
  }
}

/** A block of TypeScript may hold several files, each begun by `// name.ts`. One without a name is only type-checked. */
function modulesOf({ line, file, text }: Block): readonly (readonly [name: string, text: string])[] {
  const parts = text.split(/^(?=\/\/ [\w./-]+\.ts\b)/m).filter((part) => part.trim() !== "");
  return parts.map((part, index) => {
    const name = /^\/\/ ([\w./-]+\.ts)\b/.exec(part)?.[1] ?? (index === 0 ? file : undefined);
    return [name ?? `line-${line}-${index}.ts`, `${part}\nexport {};\n`];
  });
}

async function runCommands({ page, text }: Block, expected: readonly string[], terminals: AsyncDisposableStack) {
  const [first = ""] = text.split("\n");
  if (first.startsWith("# Not run by the tests")) {
    return;
  }
  const cwd = first.startsWith("# In a clone") ? root : folderOf(page);
  if (/^# .*\bin a \w+ terminal/i.test(first)) {
    expect(expected, "a terminal that stays open says what it prints when it is ready").not.toEqual([]);
    await terminals.use(openTerminal(text, cwd)).printed(expected);
    return;
  }
  await using terminal = openTerminal(text, cwd);
  const printed = await terminal.ended;
  if (expected.length > 0) {
    expect(printed.trimEnd().split("\n")).toEqual(expected);
  }
}

/**
 * Files that pages besides docs/start.md take for granted: its plugin, and contracts of the examples and of
 * go-plugin's.
 */
function givenFiles(page: string): void {
  const folder = folderOf(page);
  for (const name of ["greeter.ts", "serve.ts", "buf.gen.yaml", "proto", "gen"]) {
    cpSync(join(project, name), join(folder, name), { recursive: true });
  }
  for (const name of ["plugin.ts", "markdown.ts"]) {
    write(folder, name, `export { default } from "./greeter.ts";\n`);
  }
  cpSync(join(root, "examples/carriers/stdio-carrier.ts"), join(folder, "stdio-carrier.ts"));
  write(
    folder,
    "database.ts",
    `interface Database { add(text: string): { text: string }; close(): void }
     export declare function openDatabase(path: string): Promise<Database>;\n`,
  );
  write(
    folder,
    "workers.d.ts",
    `declare module "cloudflare:workers" { export const env: { readonly API_TOKEN: string }; }\n`,
  );
}

beforeAll(async () => {
  mkdirSync(project);
  execFileSync("npm", ["pack", "--silent", "--pack-destination", project], { cwd: root, stdio: "pipe" });
  expect(readdirSync(project)).toEqual(["plugboard-0.1.0.tgz"]);
  await runPage(start);
  // What the pages about packages install beside.
  execFileSync("npm", ["pack", "--silent", "--workspaces", "--pack-destination", project], {
    cwd: root,
    stdio: "pipe",
  });
  const tarballs = globSync("plugboard-*-*.tgz", { cwd: project }).map((name) => `./${name}`);
  execFileSync("npm", ["install", "--silent", ...tarballs, "ioredis"], { cwd: project, stdio: "pipe" });
  for (const [from, to] of [
    ["examples/markdown/v1/markdown.proto", "markdown.proto"],
    ["examples/notes/v1/notes.proto", "notes.proto"],
    ["interop/goplugin/examples.proto", "kv.proto"],
    ["plugboard/access/v1/access.proto", "plugboard/access/v1/access.proto"],
  ] as const) {
    cpSync(join(root, "proto", from), join(project, "proto", to));
  }
  execFileSync("npx", ["buf", "generate"], { cwd: project, stdio: "pipe" });
}, 600_000);

afterAll(() => rmSync(dirname(project), { recursive: true, force: true }), 60_000);

test.each(pages)(
  "the blocks of %s run, in the project of docs/start.md",
  async (page) => {
    givenFiles(page);
    await runPage(page);
  },
  180_000,
);

test("every block of TypeScript type-checks in that project", async () => {
  await using terminal = openTerminal("npx tsc --pretty false", project);
  await terminal.ended;
}, 120_000);
