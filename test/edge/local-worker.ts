import { createTestHarness } from "wrangler";

/** A Worker that runs in workerd. */
export interface LocalWorker {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Runs a Worker in wrangler's local mode, on a free port, with the given variables bound. */
export async function startWorker(main: string, vars: Record<string, string> = {}): Promise<LocalWorker> {
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
