import { createTestHarness } from "wrangler";

/** A Worker that runs in workerd. */
export interface LocalWorker {
  readonly url: string;
  stop(): Promise<void>;
}

/** Runs a Worker in wrangler's local mode, on a free port. */
export async function startWorker(main: string): Promise<LocalWorker> {
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
        },
      },
    ],
  });
  try {
    const { url } = await harness.listen();
    return { url: String(url), stop: () => harness.close() };
  } catch (error) {
    await harness.close();
    throw error;
  }
}
