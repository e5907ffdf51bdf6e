/**
 * Writes the table in docs/settings.md from the schema of the settings. With --check it only says whether the table is
 * up to date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Setting } from "../../src/go-plugin/settings/schema.ts";
import { settingsSchema } from "../../src/go-plugin/settings/schema.ts";

const file = "docs/settings.md";
const [begin, end] = ["<!-- settings: npm run settings -->", "<!-- end of settings -->"];

const rows = Object.entries<Setting>(settingsSchema).map(([name, { readBy, kind, default: value, meaning, options }]) =>
  row([
    `\`${name}\``,
    ...[options.plugin, options.host].map((option) => (option === undefined ? "" : `\`${option}\``)),
    readBy === "both" ? "plugin, host" : readBy,
    show(value),
    kind.allowed,
    meaning,
  ]),
);
const table = [
  row(["variable", "option of `serve()`", "option of `new Host()`", "read by", "default", "allowed", "meaning"]),
  row(Array(7).fill("---")),
  ...rows,
];

const present = readFileSync(file, "utf8");
const from = present.indexOf(begin);
const to = present.indexOf(end);
if (from === -1 || to < from) {
  throw new Error(`${file} lacks the lines between which the table goes: ${begin} and ${end}`);
}
const fresh = `${present.slice(0, from)}${begin}\n${table.join("\n")}\n${present.slice(to)}`;

if (!process.argv.includes("--check")) {
  writeFileSync(file, fresh);
} else if (fresh !== present) {
  console.error(`the table in ${file} does not match the schema, run: npm run settings`);
  process.exitCode = 1;
} else {
  console.log(`the table of ${rows.length} settings is up to date`);
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function show(value: unknown): string {
  const text = Array.isArray(value) ? value.join(",") : String(value ?? "");
  return text === "" ? "none" : `\`${text}\``;
}
