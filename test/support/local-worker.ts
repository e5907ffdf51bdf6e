import { createTestHarness } from "wrangler";

/** A Worker that runs in workerd. */
export interface LocalWorker {
  /** Its address, without a slash at the end. */
  readonly url: string;
  stop(): Promise<void>;
}

/** The bindings of a Worker beside variables. */
interface WorkerBindings {
  readonly ratelimits?: {
    readonly name: string;
    readonly namespace_id: string;
    readonly simple: { readonly limit: number; readonly period: 10 | 60 };
  }[];
}

/**
 * Runs a Worker in wrangler's local mode, on a free port, with the given variables bound.
 * @param bindings The bindings that wrangler.toml would have.
 */
export async function startWorker(
  main: string,
  vars: Record<string, string> = {},
  bindings: WorkerBindings = {},
): Promise<LocalWorker> {
  const harness = createTestHarness({
    root: ".",
    workers: [
      {
        config: {
          name: "under-test",
          main,
          compatibility_date: "2026-11-17",
          compatibility_flags: ["no_nodejs_compat"],
          alias: { plugboard: "./src/index.ts", "plugboard/edge": "./src/edge.ts" },
          vars,
          ...bindings,
        },
      },
    ],
  });
  try {
    const { url } = await harness.listen();
    return { url: String(url).replace(/\/$/, ""), stop: () => harness.close() };
  } catch (error) {
    await harness.close();
    throw error;
  }
}
