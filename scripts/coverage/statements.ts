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

export interface FileCount extends Count {
  readonly file: string;
  /** The lines on which a statement begins that did not run, in their order. */
  readonly missed: readonly number[];
}

/** Counts the statements of each file, and those that ran in the tests' own processes or in others. */
export function countStatements(files: Readonly<Record<string, FileReport>>, elsewhere: Ran): readonly FileCount[] {
  return Object.entries(files).map(([file, { statementMap, s }]) => {
    const ran = elsewhere.get(file);
    const lines = ran === undefined ? [] : lineStarts(readFileSync(file, "utf8"));
    const statements = Object.entries(statementMap);
    const missed = statements.filter(
      ([id, { start }]) => !((s[id] ?? 0) > 0 || ran?.[(lines[start.line - 1] ?? 0) + start.column] === 1),
    );
    return {
      file,
      ran: statements.length - missed.length,
      all: statements.length,
      missed: [...new Set(missed.map(([, { start }]) => start.line))].toSorted((one, other) => one - other),
    };
  });
}

/** Sums counts up by groups of files. */
export function sumCounts(counts: readonly FileCount[], groupOf: (file: string) => string): ReadonlyMap<string, Count> {
  const groups = Map.groupBy(counts, ({ file }) => groupOf(file));
  return new Map([...groups].map(([group, each]) => [group, each.reduce<Count>(sum, { ran: 0, all: 0 })]));
}

function sum(one: Count, other: Count): Count {
  return { ran: one.ran + other.ran, all: one.all + other.all };
}

function lineStarts(text: string): readonly number[] {
  return [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
}
