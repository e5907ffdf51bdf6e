/** The shape of every scan, and how exceptions to it are stated. */
import type { Node, Source } from "./source.ts";

/** Looks for one kind of fault in a module. */
export interface Scan {
  /** By which a comment allows what it finds: `// allowed NAME: reason`. */
  readonly name: string;
  find(source: Source): Iterable<Fault>;
}

export interface Fault {
  readonly node: Pick<Node, "start">;
  /** The fault, and its cure. */
  readonly message: string;
}

export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly scan: string;
  readonly message: string;
}

/** A comment that allows something on its own line, or on the line below it and the comments that follow it. */
const allowance = /^\s*allowed ([a-z-]+): \S/;

/** Runs scans over a module. An exception that nothing needs is a finding too. */
export function scanSource(source: Source, scans: readonly Scan[]): readonly Finding[] {
  const { file } = source;
  const lineOf = lineCounter(source.text);
  const allowed = allowancesIn(source, lineOf);
  const used = new Set<object>();
  const findings = scans.flatMap(({ name, find }) =>
    [...find(source)].flatMap(({ node, message }): Finding[] => {
      const line = lineOf(node.start);
      const exception = allowed.find((each) => each.scan === name && each.lines.includes(line));
      if (exception === undefined) {
        return [{ file, line, scan: name, message }];
      }
      used.add(exception);
      return [];
    }),
  );
  const idle = allowed.filter((each) => !used.has(each));
  return [
    ...findings,
    ...idle.map(({ scan, lines: [line = 1] }) => ({
      file,
      line,
      scan,
      message: "nothing here needs this exception: remove it",
    })),
  ];
}

function allowancesIn({ comments }: Source, lineOf: (offset: number) => number) {
  const lines = new Map(comments.map(({ start, end }) => [lineOf(start), lineOf(end)]));
  return comments.flatMap(({ value, start, end }) => {
    const scan = allowance.exec(value)?.[1];
    if (scan === undefined) {
      return [];
    }
    let last = lineOf(end);
    for (let next = lines.get(last + 1); next !== undefined; next = lines.get(last + 1)) {
      last = next;
    }
    return [{ scan, lines: [lineOf(start), last + 1] }];
  });
}

function lineCounter(text: string): (offset: number) => number {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  return (offset) => starts.findLastIndex((start) => start <= offset) + 1;
}
