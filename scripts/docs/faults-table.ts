/**
 * Writes the tables in docs/reference/faults.md from the faults that test/behaviour provokes over every route. With --check it only
 * says whether they are up to date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Code } from "@connectrpc/connect";
import { codeName } from "../../src/call/errors/code-name.ts";
import { endings } from "../../test/behaviour/endings.ts";
import { faultGroups } from "../../test/behaviour/faults.ts";
import { refusals } from "../../test/behaviour/refusals.ts";

const file = "docs/reference/faults.md";
const [begin, end] = ["<!-- faults: npm run faults -->", "<!-- end of faults -->"];

/** The columns of a fault in the tables. */
interface Told {
  readonly fault: string;
  readonly code: Code;
  readonly again?: true;
}

const groups = [...faultGroups, refusals, endings];
const sections = groups.map(({ title, advice, faults }) => {
  const told = faults.filter(({ again }: Told) => !again);
  const rows = told.map(({ fault, code }) => `| ${fault.replaceAll("|", "\\|")} | \`${codeName(code)}\` |`);
  return `\n## ${title}\n\n${advice}\n\n| what happens | code |\n| --- | --- |\n${rows.join("\n")}\n`;
});

const present = readFileSync(file, "utf8");
const from = present.indexOf(begin);
const to = present.indexOf(end);
if (from === -1 || to < from) {
  throw new Error(`${file} lacks the lines between which the tables go: ${begin} and ${end}`);
}
const fresh = `${present.slice(0, from)}${begin}\n${sections.join("")}\n${present.slice(to)}`;

if (!process.argv.includes("--check")) {
  writeFileSync(file, fresh);
} else if (fresh !== present) {
  console.error(`the tables in ${file} do not match test/behaviour/faults.ts, run: npm run faults`);
  process.exitCode = 1;
} else {
  console.log(`the tables of ${groups.reduce((sum, { faults }) => sum + faults.length, 0)} faults are up to date`);
}
