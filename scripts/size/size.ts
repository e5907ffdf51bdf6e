/**
 * Bundles the Worker of wrangler.toml as a deployment does, and records in bench/results/size.json how large it is, what its bytes are,
 * how large the libraries are that it can't do without, and the sizes that have limits. With --check it only holds those to their limits.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempDisposableSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { workerBundle } from "../../bench/worker-bundle.ts";
import { bundles, contributorOf, explainExcess, measureBundle } from "./bundles.ts";

const entry = "workers/markdown.ts";
/** Bundles to compare with, in bench/size. */
const floors = ["contract", "connect", "hono", "micromark", "libraries", "empty-plugin"];

interface Module {
  readonly path: string;
  readonly code: string;
}

/** A package, or a folder of ours, and the bytes that would be gone without it. */
interface Contributor {
  readonly name: string;
  readonly bytes: number;
  /** Bytes that the gzipped bundle is smaller without it. Code that several have in common counts for none of them. */
  readonly gzipBytes: number;
}

if (process.argv.includes("--check")) {
  for (const problem of (await limitedBundles()).flatMap((each) => explainExcess(each) ?? [])) {
    console.error(problem);
    process.exitCode = 1;
  }
} else {
  await record();
}

async function record() {
  const bundle = deployedBundle();
  const modules = await minifiedModules();
  const contributors = contributorsOf(modules);
  const floorSizes = await Promise.all(
    floors.map(async (name) => ({ name, gzipBytes: gzipped(await bundled(`bench/size/${name}.ts`)) })),
  );

  const limited = await limitedBundles();
  const result = {
    name: entry,
    bytes: bundle.length,
    gzipBytes: gzipped(bundle),
    contributors,
    floors: floorSizes,
    limited: limited.map(({ largest: _, ...size }) => size),
  };
  mkdirSync("bench/results", { recursive: true });
  writeFileSync("bench/results/size.json", `${JSON.stringify([result], null, 2)}\n`);

  console.log(`${entry}: ${result.bytes} bytes minified, ${result.gzipBytes} gzipped\n`);
  printTable(
    ["minified", "gzipped", ""],
    contributors.map(({ name, bytes, gzipBytes }) => [String(bytes), String(gzipBytes), name]),
  );
  const rest = gzipped(modules.map(({ code }) => code).join("")) - sum(contributors.map(({ gzipBytes }) => gzipBytes));
  console.log(`${String(rest).padStart(19)}  what several of them have in common\n`);
  console.log("by themselves, gzipped");
  printTable(
    ["", ""],
    floorSizes.map(({ name, gzipBytes }) => [String(gzipBytes), `bench/size/${name}.ts`]),
  );
}

/** Measures the bundles that have limits, and prints their sizes. */
async function limitedBundles() {
  const sizes = await Promise.all(bundles.map(measureBundle));
  printTable(
    ["gzipped", "in all", "limit", "goal", ""],
    sizes.map(({ name, gzipBytes, totalGzipBytes, limitBytes, goalBytes }) => [
      ...[gzipBytes, totalGzipBytes, limitBytes, goalBytes].map(String),
      name,
    ]),
  );
  return sizes;
}

/** The bundle that wrangler would upload. */
function deployedBundle(): Buffer {
  using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-size-"));
  execFileSync("wrangler", ["deploy", "--dry-run", "--env", "production", "--outdir", folder.path], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
  const text = readFileSync(join(folder.path, "markdown.js"), "utf8");
  // The source map goes with the upload, apart.
  return Buffer.from(text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"));
}

async function bundled(path: string): Promise<Uint8Array> {
  const { outputFiles } = await build({ ...workerBundle, entryPoints: [path], write: false });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

/** The modules of the bundle, one by one: esbuild says where each begins as long as it does not remove comments. */
async function minifiedModules(): Promise<readonly Module[]> {
  const { outputFiles } = await build({
    ...workerBundle,
    minify: false,
    minifyIdentifiers: true,
    minifySyntax: true,
    entryPoints: [entry],
    write: false,
  });
  const [, ...parts] = (outputFiles[0]?.text ?? "").split(/^\/\/ (\S+\.[jt]s)$/m);
  const minified: Module[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    const { code } = await transform(parts[index + 1] ?? "", { minifyWhitespace: true, target: "es2024" });
    minified.push({ path: parts[index] ?? "", code });
  }
  return minified;
}

function contributorsOf(all: readonly Module[]): readonly Contributor[] {
  const whole = gzipped(all.map(({ code }) => code).join(""));
  const names = new Set(all.map(({ path }) => contributorOf(path)));
  return [...names]
    .map((name) => {
      const [own, others] = [true, false].map((isOwn) =>
        all
          .filter(({ path }) => (contributorOf(path) === name) === isOwn)
          .map(({ code }) => code)
          .join(""),
      );
      return { name, bytes: Buffer.byteLength(own ?? ""), gzipBytes: whole - gzipped(others ?? "") };
    })
    .sort((one, other) => other.gzipBytes - one.gzipBytes || (one.name < other.name ? -1 : 1));
}

function gzipped(content: string | Uint8Array): number {
  return gzipSync(content, { level: 9 }).length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]) {
  for (const row of [head, ...rows]) {
    console.log(row.map((cell, column) => (column < row.length - 1 ? cell.padStart(9) : ` ${cell}`)).join(" "));
  }
}
