import { gzipSync } from "node:zlib";
import type { BuildOptions, Metafile } from "esbuild";
import { build } from "esbuild";
import { workerBundle } from "../../bench/worker-bundle.ts";

/** A bundle whose size has a limit. */
export interface Bundle {
  readonly name: string;
  readonly entry: string;
  readonly options: BuildOptions;
  /** The size that it is to have one day, in bytes and gzipped; or how many times that of another bundle made in the same way. */
  readonly goal: number | { readonly times: number; readonly entry: string };
  /** The most that it may have now, in bytes and gzipped: the goal, or where it was last. */
  readonly limitBytes: number;
}

/** A bundle's size, in bytes and gzipped. */
export interface BundleSize {
  readonly name: string;
  /** What is loaded at once. */
  readonly gzipBytes: number;
  /** With what is loaded when it is needed. */
  readonly totalGzipBytes: number;
  readonly goalBytes: number;
  readonly limitBytes: number;
  /** The largest contributors to what is loaded at once, in bytes as they are in the bundle. */
  readonly largest: readonly (readonly [name: string, bytes: number])[];
}

const page: BuildOptions = {
  bundle: true,
  minify: true,
  splitting: true,
  format: "esm",
  target: "es2024",
  platform: "browser",
  conditions: ["plugboard-source", "browser"],
};

/** The bundles that have limits. */
export const bundles: readonly Bundle[] = [
  {
    name: "Worker, markdown, with WebSockets",
    entry: "workers/markdown.ts",
    options: workerBundle,
    goal: 91_000,
    limitBytes: 111_700,
  },
  {
    name: "Worker, markdown",
    entry: "bench/size/markdown.ts",
    options: workerBundle,
    goal: 85_000,
    limitBytes: 101_100,
  },
  {
    name: "Worker, a plugin that does nothing, with WebSockets",
    entry: "bench/size/empty-plugin-websockets.ts",
    options: workerBundle,
    goal: 61_000,
    limitBytes: 77_200,
  },
  {
    name: "Worker, a plugin that does nothing",
    entry: "bench/size/empty-plugin.ts",
    options: workerBundle,
    goal: 54_000,
    limitBytes: 66_300,
  },
  {
    name: "a page that makes one unary call",
    entry: "bench/size/browser-client.ts",
    options: page,
    goal: { times: 1.3, entry: "bench/size/connect-web.ts" },
    limitBytes: 62_900,
  },
];

/** Bundles one, and measures it. */
export async function measureBundle({ name, entry, options, goal, limitBytes }: Bundle): Promise<BundleSize> {
  const size = await measureEntry(entry, options);
  const goalBytes =
    typeof goal === "number" ? goal : Math.floor(goal.times * (await measureEntry(goal.entry, options)).gzipBytes);
  return { name, ...size, goalBytes, limitBytes };
}

async function measureEntry(entry: string, options: BuildOptions) {
  const { outputFiles, metafile } = await build({
    ...options,
    entryPoints: { entry },
    outdir: "/",
    write: false,
    metafile: true,
    logLevel: "error",
  });
  const sizes = new Map(
    Object.keys(metafile.outputs).map((path, index) => [
      path,
      gzipSync(outputFiles[index]?.contents ?? "", { level: 9 }).length,
    ]),
  );
  const first = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === entry)?.[0] ?? "";
  const atOnce = reachable(metafile, first, ["import-statement"]);
  const ever = reachable(metafile, first, ["import-statement", "dynamic-import"]);
  const sum = (paths: ReadonlySet<string>) => [...paths].reduce((total, path) => total + (sizes.get(path) ?? 0), 0);
  return { gzipBytes: sum(atOnce), totalGzipBytes: sum(ever), largest: largestOf(metafile, atOnce) };
}

/** What is wrong with a bundle's size; `undefined` if nothing is. */
export function explainExcess({ name, gzipBytes, limitBytes, largest }: BundleSize): string | undefined {
  const contributors = largest.map(([contributor, bytes]) => `\n  ${String(bytes).padStart(8)}  ${contributor}`);
  return gzipBytes <= limitBytes
    ? undefined
    : `${name}: ${gzipBytes} bytes gzipped, ${gzipBytes - limitBytes} over its limit of ${limitBytes}. ` +
        `The largest of what is in it, in bytes before gzip:${contributors.join("")}`;
}

/** The files that one leads to by imports of these kinds, with itself. */
function reachable({ outputs }: Metafile, first: string, kinds: readonly string[]): ReadonlySet<string> {
  const found = new Set([first]);
  for (const path of found) {
    for (const { kind, path: imported } of outputs[path]?.imports ?? []) {
      if (kinds.includes(kind)) {
        found.add(imported);
      }
    }
  }
  return found;
}

function largestOf({ outputs }: Metafile, paths: ReadonlySet<string>): BundleSize["largest"] {
  const byName = new Map<string, number>();
  for (const path of paths) {
    for (const [input, { bytesInOutput }] of Object.entries(outputs[path]?.inputs ?? {})) {
      const name = contributorOf(input);
      byName.set(name, (byName.get(name) ?? 0) + bytesInOutput);
    }
  }
  return [...byName].sort(([, one], [, other]) => other - one).slice(0, 8);
}

/** The npm package a bundled file comes from, those of one family taken together; our own code is named after its folder. */
export function contributorOf(path: string): string {
  const name = /.*(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  if (name === undefined) {
    return path.split("/").slice(0, -1).slice(0, 2).join("/");
  }
  return /^micromark-(?:util|factory)-/.test(name) ? "micromark-util-*, micromark-factory-*" : name;
}
