import { readFileSync } from "node:fs";
import type { Ran } from "./ran.ts";

/** Of Istanbul's form. */
export interface FileReport {
  readonly path: string;
  readonly statementMap: Readonly<
    Record<string, { readonly start: { readonly line: number; readonly column: number } }>
  >;
  /** Runs of each statement in the tests' own processes. */
  readonly s: Readonly<Record<string, number>>;
}

export interface Count {
  readonly ran: number;
  readonly all: number;
}

/** Counts the statements of each group of files, and those that ran in the tests' own processes or in others. */
export function countStatements(
  files: Readonly<Record<string, FileReport>>,
  elsewhere: Ran,
  groupOf: (file: string) => string,
): ReadonlyMap<string, Count> {
  const counts = new Map<string, Count>();
  for (const [file, { statementMap, s }] of Object.entries(files)) {
    const ran = elsewhere.get(file);
    const lines = ran === undefined ? [] : lineStarts(readFileSync(file, "utf8"));
    const statements = Object.entries(statementMap);
    const hit = statements.filter(
      ([id, { start }]) => (s[id] ?? 0) > 0 || ran?.[(lines[start.line - 1] ?? 0) + start.column] === 1,
    );
    const { ran: before, all } = counts.get(groupOf(file)) ?? { ran: 0, all: 0 };
    counts.set(groupOf(file), { ran: before + hit.length, all: all + statements.length });
  }
  return counts;
}

function lineStarts(text: string): readonly number[] {
  return [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
}
