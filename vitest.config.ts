import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { build } from "esbuild";
import { defineConfig } from "vitest/config";

// Plugins that tests start compile anew only what has changed since the last run. Coverage is less exact with a cache.
if (process.env.NODE_V8_COVERAGE === undefined) {
  process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL("node_modules/.cache/node-compile-cache", import.meta.url));
}
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

const ssr = { resolve: { conditions: [source, "module", "node", "development|production"] } };

/** Files share processes, as what they import takes longer to load than most of them run. Node runs the sources as they are. */
const sharing = {
  pool: "forks",
  maxWorkers,
  isolate: false,
  experimental: { viteModuleRunner: false, nodeLoader: false },
  testTimeout: 30_000,
} as const;

/** One file after the other, each in a process of its own: they measure, or send floods. */
const alone = { pool: "forks", fileParallelism: false, testTimeout: 30_000 } as const;

/** What has a command of its own. All else is run by `npm test`. */
const suites = {
  attacks: ["test/attacks/**/*.test.ts"],
  behaviour: ["test/behaviour/**/*.test.ts"],
  browser: ["test/browser/**/*.test.ts"],
  conformance: ["test/conformance/**/*.test.ts"],
  docs: ["test/docs/**/*.test.ts"],
  interop: ["test/interop/**/*.test.ts"],
  /** Tests each of which starts, stops or kills processes. */
  processes: ["test/host/**/*.test.ts", "test/plugin-process/**/*.test.ts", "test/**/*.processes.test.ts"],
};

const inWorkers = "test/**/*.workers.test.ts";

function workers(name: string, include: string, exclude: readonly string[], miniflare: () => Promise<object>) {
  return {
    ssr: { resolve: { conditions: [source, "workerd", "worker", "module", "browser", "development|production"] } },
    plugins: [cloudflareTest(async () => ({ miniflare: { compatibilityDate, ...(await miniflare()) } }))],
    test: { name, include: [include], exclude: [...exclude], maxWorkers, testTimeout: 30_000 },
  };
}

export default defineConfig({
  test: {
    // What a test prints, such as the errors that a plugin logs, is of interest if it fails.
    silent: "passed-only",
    projects: [
      {
        ssr,
        test: {
          name: "node",
          include: ["test/**/*.test.ts"],
          exclude: ["**/node_modules/**", inWorkers, ...Object.values(suites).flat()],
          ...sharing,
        },
      },
      { ssr, test: { name: "processes", include: suites.processes, ...sharing } },
      { ssr, test: { name: "packages", include: ["packages/*/test/**/*.test.ts"], ...sharing } },
      { ssr, test: { name: "behaviour", include: suites.behaviour, exclude: [inWorkers], ...sharing } },
      { ssr, test: { name: "attacks", include: suites.attacks, ...alone } },
      { ssr, test: { name: "browser", include: suites.browser, ...alone } },
      {
        ssr,
        test: {
          name: "interop",
          include: suites.interop,
          globalSetup: "test/interop/go-folder.ts",
          ...alone,
          // The first to need a Go program builds it.
          hookTimeout: 300_000,
        },
      },
      { test: { name: "docs", include: suites.docs, ...alone } },
      {
        test: {
          name: "conformance",
          include: suites.conformance,
          globalSetup: ["test/interop/go-folder.ts", "test/conformance/generate.ts"],
          ...alone,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      workers("workers", inWorkers, suites.behaviour, async () => ({})),
      workers("behaviour-workers", "test/behaviour/**/*.workers.test.ts", [], async () => ({
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
      })),
    ],
  },
});
