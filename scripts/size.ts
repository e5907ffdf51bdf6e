/** Bundles the Worker of wrangler.toml as a deployment does and records its size in bench/results/size.json. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempDisposableSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Metafile } from "esbuild";

using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-size-"));
execFileSync("wrangler", ["deploy", "--dry-run", "--minify", "--metafile", "--outdir", folder.path], {
  stdio: ["ignore", "ignore", "inherit"],
  env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
});

const metafile: Metafile = JSON.parse(readFileSync(join(folder.path, "bundle-meta.json"), "utf8"));
const workers = Object.entries(metafile.outputs).flatMap(([path, output]) =>
  output.entryPoint === undefined ? [] : [{ path, entryPoint: output.entryPoint, inputs: output.inputs }],
);
const results = workers.map(({ path, entryPoint, inputs }) => {
  const bundle = readFileSync(path);
  return {
    name: entryPoint,
    bytes: bundle.length,
    gzipBytes: gzipSync(bundle, { level: 9 }).length,
    contributors: largestPackages(inputs, 10),
  };
});

mkdirSync("bench/results", { recursive: true });
writeFileSync("bench/results/size.json", `${JSON.stringify(results, null, 2)}\n`);

for (const { name, bytes, gzipBytes, contributors } of results) {
  console.log(`${name}: ${bytes} bytes minified, ${gzipBytes} bytes gzipped`);
  for (const contributor of contributors) {
    console.log(`${String(contributor.bytes).padStart(9)}  ${contributor.name}`);
  }
}

interface Contributor {
  readonly name: string;
  readonly bytes: number;
}

function largestPackages(inputs: Metafile["outputs"][string]["inputs"], count: number): readonly Contributor[] {
  const sizes = new Map<string, number>();
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    const name = packageOf(path);
    sizes.set(name, (sizes.get(name) ?? 0) + bytesInOutput);
  }
  return [...sizes]
    .map(([name, bytes]) => ({ name, bytes }))
    .sort((one, other) => other.bytes - one.bytes || (one.name < other.name ? -1 : 1))
    .slice(0, count);
}

/** The npm package a bundled file comes from; our own code is named after its folder. */
function packageOf(path: string): string {
  return /.*(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path.split("/")[0] ?? path;
}
