import type { Measurement } from "../measurement.ts";
import { ratio, spread } from "../statistics.ts";
import type { Outcome } from "../targets.ts";

/** The contender that the others are compared with, by part. */
const reference = {
  unary: "ttrpc",
  streaming: "ttrpc",
  memory: "memory",
  startup: "node -e 0",
  edge: "bare Hono",
  carriers: "ttrpc",
  latency: "ttrpc",
  payload: "ttrpc",
  concurrency: "ttrpc",
  connections: "ttrpc",
  services: "ttrpc",
  endurance: "ttrpc",
  "open-streams": "ttrpc",
} as const;

/** Formats a measurement as tables. */
export function formatMeasurement({ part, title, unit, size, rounds, failures = {} }: Measurement): string {
  const compared = reference[part];
  const mine = rounds[compared];
  const speed = unit === "messages/s" && size !== undefined;
  const lessIsBetter = ["ms", "us", "MiB", "KiB"].includes(unit);
  const head = ["", unit, "min..max", lessIsBetter ? `over ${compared}` : `${compared} is`, ...(speed ? ["MB/s"] : [])];
  const rows = Object.entries(rounds).map(([name, values]) => {
    const { median, min, max } = spread(values);
    return [
      name,
      formatNumber(median),
      `${formatNumber(min)}..${formatNumber(max)}`,
      mine === undefined || name === compared
        ? ""
        : formatRatio((lessIsBetter ? ratio(values, mine) : ratio(mine, values)).median),
      ...(speed ? [formatNumber((median * size) / 1e6)] : []),
    ];
  });
  const failed = Object.entries(failures).map(([name, reason]) => `  ${name} failed: ${reason}\n`);
  return `${title}\n${formatTable([head, ...rows])}${failed.join("")}`;
}

/** The targets, and whether they were met. */
export function formatOutcomes(all: readonly Outcome[]): string {
  const rows = all.map(({ title, wanted, ratio: { median, min, max }, met, why }) => [
    title,
    wanted,
    formatRatio(median),
    `${formatRatio(min)}..${formatRatio(max)}`,
    met ? "met" : "missed",
    why,
  ]);
  return `targets\n${formatTable([["", "wanted", "median", "min..max", "", "why this much"], ...rows], [0, 5])}`;
}

/** A table whose columns are numbers but for those named. */
function formatTable(rows: readonly (readonly string[])[], texts: readonly number[] = [0]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          texts.includes(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `  ${line}\n`)
    .join("");
}

function formatNumber(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
}

function formatRatio(value: number): string {
  return `${value >= 10 ? value.toFixed(1) : value.toFixed(2)}x`;
}
