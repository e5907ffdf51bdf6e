/** V8's coverage of a script when its process ends: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/ */
export interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly {
    /** The function, then blocks in it that ran more or less often than what is around them. */
    readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[];
  }[];
}

/** By file: for each character, whether it ran in one of the processes. */
export type Ran = Map<string, Uint8Array>;

/** Adds what ran of a file in one process. Node leaves types out without moving the rest: offsets are those of the file. */
export function addRun(ran: Ran, file: string, { functions }: ScriptCoverage): void {
  const length = Math.max(0, ...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)));
  const now = new Uint8Array(length);
  // Outer ranges come before those within them.
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges) {
      now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    }
  }
  const before = ran.get(file);
  ran.set(file, before === undefined ? now : now.map((value, index) => value | (before[index] ?? 0)));
}
