import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { build } from "esbuild";
import { defineConfig } from "vitest/config";

// There is nothing to ask on the internet.
process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";
process.env.WRANGLER_SEND_METRICS = "false";

/** Tests run the sources, as under `node --conditions=plugboard-source`. */
const source = "plugboard-source";

const compatibilityDate = "2026-11-17";

/** Most tests wait for a process that they have started. The other suites measure, or send floods, and run file by file. */
const maxWorkers = availableParallelism() + 1;

/** Bundles a Worker that the tests call by service binding. */
async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    conditions: [source, "workerd", "worker", "browser"],
  });
  return outputFiles[0]?.text ?? "";
}

async function bundledWorker(entry: string) {
  const script = await bundle(entry);
  return { modules: true, script, compatibilityDate, compatibilityFlags: ["no_nodejs_compat"] };
}

export default defineConfig({
  test: {
    // What a test prints, such as the errors that a plugin logs, is of interest if it fails.
    silent: "passed-only",
    projects: [
      {
        ssr: { resolve: { conditions: [source, "module", "node", "development|production"] } },
        test: {
          name: "node",
          include: ["test/**/*.test.ts"],
          exclude: [
            "test/**/*.workers.test.ts",
            "test/attacks/**",
            "test/interop/**",
            "test/browser/**",
            "test/conformance/**",
          ],
          pool: "forks",
          maxWorkers,
          testTimeout: 30_000,
        },
      },
      {
        ssr: { resolve: { conditions: [source, "module", "node", "development|production"] } },
        test: {
          name: "attacks",
          include: ["test/attacks/**/*.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 30_000,
        },
      },
      {
        ssr: { resolve: { conditions: [source, "module", "node", "development|production"] } },
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 30_000,
        },
      },
      {
        ssr: { resolve: { conditions: [source, "module", "node", "development|production"] } },
        test: {
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          globalSetup: "test/interop/go-folder.ts",
          pool: "forks",
          fileParallelism: false,
          testTimeout: 30_000,
          // The first to need a Go program builds it.
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "conformance",
          include: ["test/conformance/**/*.test.ts"],
          globalSetup: ["test/interop/go-folder.ts", "test/conformance/generate.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      {
        ssr: { resolve: { conditions: [source, "workerd", "worker", "module", "browser", "development|production"] } },
        plugins: [
          cloudflareTest(async () => ({
            miniflare: {
              compatibilityDate,
              serviceBindings: { BEHAVIOUR: "behaviour", PATIENT: "patient", BRIEF: "brief" },
              workers: [
                { name: "behaviour", ...(await bundledWorker("test/behaviour/worker.ts")) },
                ...(await Promise.all(
                  ["patient", "brief"].map(async (name) => ({
                    name,
                    bindings: { MOOD: name },
                    ...(await bundledWorker("test/behaviour/refusing/worker.ts")),
                  })),
                )),
              ],
            },
          })),
        ],
        test: { name: "workers", include: ["test/**/*.workers.test.ts"], maxWorkers, testTimeout: 30_000 },
      },
    ],
  },
});
