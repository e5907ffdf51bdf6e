/**
 * Counts which statements of the packages run in the tests that Node runs, in their own processes and in all that they start.
 * Each group of floors.json has a floor in per cent: what lies below one fails, what lies above raises it. What stands after
 * `--` goes to vitest; if it does more than report, only a part runs, and the floors stay as they are.
 */
import { spawnSync } from "node:child_process";
import { mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { raised } from "./floors.ts";
import { addRun, type Ran, type ScriptCoverage } from "./ran.ts";
import { countStatements, type FileCount, type FileReport, sumCounts } from "./statements.ts";

const floorsFile = "scripts/coverage/floors.json";
/** Those that run elsewhere, such as in workerd, can't be counted. */
const projects = ["node", "behaviour", "processes", "packages"];
/** Of how many files a whole run says what did not run: those with the most. */
const shown = 20;
const words = process.argv.slice(2);
const whole = words.every((word) => /^--(?:reporter|outputFile)=/.test(word));

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
const { status } = spawnSync("vitest", ["run", ...options, ...words], {
  stdio: "inherit",
  env: { ...process.env, NODE_V8_COVERAGE: processes },
});
process.exitCode = status ?? 1;

const files: Readonly<Record<string, FileReport>> = JSON.parse(
  readFileSync(join(report, "coverage-final.json"), "utf8"),
);
const counts = countStatements(files, ranIn(processes));
for (const count of counts.toSorted((one, other) => missing(other) - missing(one)).slice(0, whole ? shown : 0)) {
  const lines = count.missed.join(", ");
  console.log(`${relative(".", count.file)}: ${missing(count)} of ${count.all} did not run, on the lines ${lines}`);
}
const groups = sumCounts(counts, groupOf);
const floors: Readonly<Record<string, number>> = JSON.parse(readFileSync(floorsFile, "utf8"));
for (const [group, { ran, all }] of groups) {
  const floor = floors[group] ?? 0;
  const percent = (100 * ran) / all;
  console.log(`${group}: ${ran} of ${all} statements, ${percent.toFixed(2)} %; the floor is ${floor} %`);
  if (whole && percent < floor) {
    console.error(`${group} lies below its floor: write tests for what has none`);
    process.exitCode = 1;
  }
}
if (whole && status === 0) {
  writeFileSync(floorsFile, `${JSON.stringify(raised(floors, groups), null, 2)}\n`);
}

function missing({ ran, all }: FileCount): number {
  return all - ran;
}

/** "core", or the name of a package's folder. */
function groupOf(file: string): string {
  return /[\\/]packages[\\/]([^\\/]+)[\\/]/.exec(file.slice(resolve(".").length))?.[1] ?? "core";
}

/** The parts of the packages' files that ran in the processes that the tests have started. */
function ranIn(place: string): Ran {
  const ran: Ran = new Map();
  for (const name of readdirSync(place)) {
    const result = read(join(place, name));
    // vitest's own processes run the files in another form, and are counted in its report.
    if (!result.some(({ url }) => url.includes("/node_modules/vitest/dist/"))) {
      for (const script of result.filter(({ url }) => url.startsWith("file:") && fileURLToPath(url) in files)) {
        addRun(ran, fileURLToPath(script.url), script);
      }
    }
  }
  return ran;
}

/** What one process has written; nothing if it was killed as it did so. */
function read(file: string): readonly ScriptCoverage[] {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { readonly result: readonly ScriptCoverage[] }).result;
  } catch (error) {
    if (error instanceof SyntaxError) {
      return [];
    }
    throw error;
  }
}
