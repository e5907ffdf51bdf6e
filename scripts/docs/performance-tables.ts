/**
 * Writes the tables and the list of charts in docs/performance.md from what `npm run bench` has left in bench/results. With
 * --check it only says whether they are up to date.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { readRecordings } from "../../bench/guard/record.ts";
import type { Measured } from "../../bench/report/results.ts";
import { measurementOf, readResults } from "../../bench/report/results.ts";
import { outcomes } from "../../bench/targets.ts";

const file = "docs/performance.md";
const folder = "bench/results";
const results = readResults(folder);
if (results === undefined) {
  throw new Error(`there are no results in ${folder}, run: npm run bench`);
}
const { node, processor, rounds, missing, measurements } = results;

const sections = { machine, targets: targetTable, calls, growth, charts, guard, bytes } as const;

const present = readFileSync(file, "utf8");
let fresh = present;
for (const [name, make] of Object.entries(sections)) {
  const [begin, end] = [`<!-- ${name}: npm run performance -->`, `<!-- end of ${name} -->`];
  const from = fresh.indexOf(begin);
  const to = fresh.indexOf(end);
  if (from === -1 || to < from) {
    throw new Error(`${file} lacks the lines between which this goes: ${begin} and ${end}`);
  }
  fresh = `${fresh.slice(0, from)}${begin}\n${make().trim()}\n${fresh.slice(to)}`;
}
if (!process.argv.includes("--check")) {
  writeFileSync(file, fresh);
} else if (fresh !== present) {
  console.error(`${file} does not match ${folder}, run: npm run performance`);
  process.exitCode = 1;
} else {
  console.log(`${file} is what ${folder} makes it`);
}

function machine(): string {
  const left = Object.entries(missing).map(([name, reason]) => ` Left out: ${name} (${reason}).`);
  return `Measured with Node ${node} on ${processor}, ${rounds} rounds, by \`npm run bench\`.${left.join("")}`;
}

function targetTable(): string {
  return table(
    ["ratio of ours", "goal", "measured", "varied", "", "why this much"],
    // The goals of today, whatever they were when it was measured.
    outcomes(measurements.map(measurementOf)).map(({ title, wanted, why, ratio: { median, min, max }, met }) => [
      title,
      wanted,
      times(median),
      `${times(min)} to ${times(max)}`,
      met ? "met" : "**missed**",
      why,
    ]),
  );
}

/** What is no curve of its own: one table for each part, a row for each cell, a column for each contender. */
function calls(): string {
  const parts = Map.groupBy(
    measurements.filter(({ curve }) => curve === undefined),
    ({ part }) => part,
  );
  return [...parts.values()]
    .map((cells) => {
      const names = namesIn(cells);
      const rows = cells.map((cell) => [`${cell.title}, ${cell.unit}`, ...names.map((name) => shown(cell, name))]);
      return table(["", ...names], rows);
    })
    .join("\n\n");
}

/** A table for each curve: a row for each contender, a column for each point. */
function growth(): string {
  const curves = Map.groupBy(
    measurements.filter(({ curve }) => curve !== undefined),
    ({ curve }) => curve?.file,
  );
  const tables = [...curves.values()].map((points) => {
    const { curve, unit } = points[0] ?? {};
    const head = [`${curve?.along ?? ""}, ${unit ?? ""}`, ...points.map((point) => number(point.curve?.at ?? 0))];
    const rows = namesIn(points).map((name) => [name, ...points.map((point) => shown(point, name))]);
    const chart = `![${curve?.title ?? ""}](../${folder}/${curve?.file}.svg)`;
    return [`#### ${curve?.title ?? ""}`, table(head, rows), ...limitsOf(points), chart].join("\n\n");
  });
  return tables.join("\n\n") || "Not measured yet.";
}

/** From which point on a contender could not be measured, and what limited it. */
function limitsOf(points: readonly Measured[]): readonly string[] {
  const failed = points.flatMap(({ curve, failures = {} }) =>
    Object.entries(failures).map(([name, reason]) => ({ name, at: number(curve?.at ?? 0), reason })),
  );
  const first = new Map(failed.toReversed().map((each) => [each.name, each]));
  const lines = [...first.values()].map(({ name, at, reason }) => `- ${name} fails from ${at} on: \`${reason}\``);
  return lines.length > 0 ? [lines.join("\n")] : [];
}

/** Every chart that no curve's table shows. */
function charts(): string {
  const beside = new Set(measurements.map(({ curve }) => `${curve?.file}.svg`));
  return readdirSync(folder)
    .filter((name) => name.endsWith(".svg") && !beside.has(name))
    .sort()
    .map((name) => {
      const title = /<text[^>]*font-size="16">([^<]*)</.exec(readFileSync(`${folder}/${name}`, "utf8"))?.[1];
      return `![${title ?? name}](../${folder}/${name})`;
    })
    .join("\n\n");
}

/** What `npm run size` has recorded: the bundles that have limits, what is in one of them, and the least that it needs. */
function bytes(): string {
  const [{ name, contributors, floors, limited }] = JSON.parse(readFileSync(`${folder}/size.json`, "utf8")) as [Sizes];
  return [
    table(
      ["bundle, bytes gzipped", "at once", "with what is loaded later", "limit", "goal"],
      limited.map(({ name, gzipBytes, totalGzipBytes, limitBytes, goalBytes }) => [
        name,
        ...[gzipBytes, totalGzipBytes, limitBytes, goalBytes].map(number),
      ]),
    ),
    table(
      [`${name}, with WebSockets`, "bytes gzipped that it would lose without"],
      contributors.filter(({ gzipBytes }) => gzipBytes >= 500).map((each) => [each.name, number(each.gzipBytes)]),
    ),
    table(
      ["by itself", "bytes gzipped"],
      floors.map((each) => [`bench/size/${each.name}.ts`, number(each.gzipBytes)]),
    ),
  ].join("\n\n");
}

interface Sizes extends Pick<Sized, "name"> {
  readonly contributors: readonly Sized[];
  readonly floors: readonly Sized[];
  readonly limited: readonly (Sized & Readonly<Record<"totalGzipBytes" | "limitBytes" | "goalBytes", number>>)[];
}

interface Sized {
  readonly name: string;
  readonly gzipBytes: number;
}

function guard(): string {
  const tables = Object.entries(readRecordings(new URL(`../../${folder}/ratios.json`, import.meta.url))).map(
    ([cores, { runs, rows }]) => {
      const shownRows = Object.entries(rows).map(([name, { ratio, lowest, highest }]) => [
        name,
        times(ratio),
        `${times(lowest)} to ${times(highest)}`,
      ]);
      return table([`${cores} cores, ${runs} ${runs === 1 ? "run" : "runs"}`, "recorded", "varied"], shownRows);
    },
  );
  return tables.join("\n\n") || "Nothing is recorded yet.";
}

function namesIn(cells: readonly Measured[]): readonly string[] {
  return [...new Set(cells.flatMap(({ contenders }) => contenders.map(({ name }) => name)))];
}

/** A contender's median, and in brackets how many times that is ours. */
function shown({ contenders, failures }: Measured, name: string): string {
  const found = contenders.find((each) => each.name === name);
  if (found === undefined || !Number.isFinite(found.median)) {
    return failures?.[name] === undefined ? "" : "failed";
  }
  const { median, ratioOfOurs } = found;
  return `${number(median)}${ratioOfOurs === undefined || ratioOfOurs === 1 ? "" : ` (${times(ratioOfOurs)})`}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function times(value: number): string {
  return `${value >= 10 ? value.toFixed(0) : value.toPrecision(2)}x`;
}

function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
}
