/**
 * Counts which lines of the packages run in the tests that Node runs, in their own processes and in all that they start. Each
 * group of floors.json has a floor in per cent: what lies below one fails, what lies above raises it. What stands after `--`
 * goes to vitest; then only a part runs, and the floors stay as they are.
 */
import { spawnSync } from "node:child_process";
import { mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { raised } from "./floors.ts";
import { addRun, type Ran, type ScriptCoverage } from "./ran.ts";
import { countStatements, type FileReport } from "./statements.ts";

const floorsFile = "scripts/coverage/floors.json";
/** Those that run elsewhere, such as in workerd, can't be counted. */
const projects = ["node", "behaviour", "processes"];
const part = process.argv.slice(2);

using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-coverage-"));
const [report, processes] = [join(folder.path, "report"), join(folder.path, "processes")];
const options = [
  ...projects.flatMap((name) => ["--project", name]),
  ...["enabled", "provider=v8", "reporter=json", "reportOnFailure", `reportsDirectory=${report}`].map(
    (option) => `--coverage.${option}`,
  ),
  ...["src/**/*.ts", "packages/*/src/**/*.ts"].map((pattern) => `--coverage.include=${pattern}`),
  "--coverage.exclude=**/gen/**",
];
const { status } = spawnSync("vitest", ["run", ...options, ...part], {
  stdio: "inherit",
  env: { ...process.env, NODE_V8_COVERAGE: processes },
});
process.exitCode = status ?? 1;

const files: Readonly<Record<string, FileReport>> = JSON.parse(
  readFileSync(join(report, "coverage-final.json"), "utf8"),
);
const groups = countStatements(files, ranIn(processes), groupOf);
const floors: Readonly<Record<string, number>> = JSON.parse(readFileSync(floorsFile, "utf8"));
for (const [group, { ran, all }] of groups) {
  const floor = floors[group] ?? 0;
  const percent = (100 * ran) / all;
  console.log(`${group}: ${ran} of ${all} statements, ${percent.toFixed(2)} %; the floor is ${floor} %`);
  if (part.length === 0 && percent < floor) {
    console.error(`${group} lies below its floor: write tests for what has none`);
    process.exitCode = 1;
  }
}
if (part.length === 0 && status === 0) {
  writeFileSync(floorsFile, `${JSON.stringify(raised(floors, groups), null, 2)}\n`);
}

/** "core", or the name of a package's folder. */
function groupOf(file: string): string {
  return /[\\/]packages[\\/]([^\\/]+)[\\/]/.exec(file.slice(resolve(".").length))?.[1] ?? "core";
}

/** The parts of the packages' files that ran in the processes that the tests have started. */
function ranIn(place: string): Ran {
  const ran: Ran = new Map();
  for (const name of readdirSync(place)) {
    const { result } = JSON.parse(readFileSync(join(place, name), "utf8")) as {
      readonly result: readonly ScriptCoverage[];
    };
    // vitest's own processes run the files in another form, and are counted in its report.
    if (!result.some(({ url }) => url.includes("/node_modules/vitest/dist/"))) {
      for (const script of result.filter(({ url }) => url.startsWith("file:") && fileURLToPath(url) in files)) {
        addRun(ran, fileURLToPath(script.url), script);
      }
    }
  }
  return ran;
}
