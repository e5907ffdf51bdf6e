import { spawnSync } from "node:child_process";
import { mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { raised } from "../../scripts/coverage/floors.ts";
import { addRun, type Ran, type ScriptCoverage } from "../../scripts/coverage/ran.ts";
import { countStatements, sumCounts } from "../../scripts/coverage/statements.ts";

test("a floor is raised to what every run reaches, and never lowered", () => {
  const groups = new Map([
    ["core", { ran: 958, all: 1000 }],
    ["redis", { ran: 50, all: 100 }],
    ["mcp", { ran: 85, all: 100 }],
    ["agents", { ran: 904, all: 1000 }],
  ]);
  expect(raised({ core: 90, redis: 80 }, groups)).toEqual({ core: 95, redis: 80, mcp: 84, agents: 89 });
});

const program = `const kind: string = process.argv[2] ?? "";
interface Unused { readonly kind: string }
function one(): void { console.log(1); }
function two(): void { console.log(2); }
if (kind === "one") {
  one();
} else {
  two();
}
`;
const statements = { one: "console.log(1)", two: "console.log(2)", callOne: "one();\n", callTwo: "two();\n" };

/** The statements of the program that ran in child processes, each with one of the arguments. */
function ranWith(...kinds: readonly string[]): number {
  using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-coverage-test-"));
  const file = join(folder.path, "program.ts");
  writeFileSync(file, program);
  const ran: Ran = new Map();
  for (const kind of kinds) {
    const results = join(folder.path, kind);
    spawnSync(process.execPath, [file, kind], { env: { ...process.env, NODE_V8_COVERAGE: results } });
    for (const name of readdirSync(results)) {
      const { result } = JSON.parse(readFileSync(join(results, name), "utf8")) as { readonly result: ScriptCoverage[] };
      for (const script of result.filter(({ url }) => url === pathToFileURL(file).href)) {
        addRun(ran, file, script);
      }
    }
  }
  const lines = program.split("\n");
  const statementMap = Object.fromEntries(
    Object.entries(statements).map(([id, text]) => {
      const line = program.slice(0, program.indexOf(text)).split("\n").length;
      return [id, { start: { line, column: lines[line - 1]?.indexOf(text.trim()) ?? 0 } }];
    }),
  );
  const report = { path: file, statementMap, s: { one: 0, two: 0, callOne: 0, callTwo: 0 } };
  return countStatements({ [file]: report }, ran)[0]?.ran ?? 0;
}

test("what runs in a child process counts, also if another process ran something else", () => {
  expect(ranWith("one")).toBe(2);
  expect(ranWith("two")).toBe(2);
  expect(ranWith("one", "two")).toBe(4);
});

test("what ran in the tests' own process counts once, and what did not is told by its line", () => {
  const report = {
    path: "a.ts",
    statementMap: { 0: { start: { line: 1, column: 0 } }, 1: { start: { line: 2, column: 0 } } },
    s: { 0: 7, 1: 0 },
  };
  expect(countStatements({ "a.ts": report }, new Map())).toEqual([{ file: "a.ts", ran: 1, all: 2, missed: [2] }]);
});

test("the counts of files are summed up by groups", () => {
  const counts = [
    { file: "src/a.ts", ran: 1, all: 2, missed: [2] },
    { file: "src/b.ts", ran: 3, all: 4, missed: [9] },
    { file: "packages/redis/src/c.ts", ran: 5, all: 5, missed: [] },
  ];
  const groups = sumCounts(counts, (file) => (file.startsWith("src/") ? "core" : "redis"));
  expect(groups).toEqual(
    new Map([
      ["core", { ran: 4, all: 6 }],
      ["redis", { ran: 5, all: 5 }],
    ]),
  );
});
