import { setImmediate as turn } from "node:timers/promises";

/** Memory of a process after its garbage was collected, in MiB. */
export interface Memory {
  /** What is in use: objects, and bytes beside them. */
  readonly used: number;
  readonly resident: number;
}

/** Collects this process's garbage, which needs `--expose-gc`, and says what is left. */
export async function collectMemory(): Promise<Memory> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    // What a finalizer holds goes with the next round.
    await turn();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { used: (heapUsed + external) / 2 ** 20, resident: rss / 2 ** 20 };
}
