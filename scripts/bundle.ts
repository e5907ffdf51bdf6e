/**
 * Bundles the entry points for Node, where finding and linking a hundred small modules takes longer than running them. All
 * else gets the modules as they are, of which other bundlers leave out what is not used.
 */
import { rmSync } from "node:fs";
import { build } from "esbuild";

const outdir = "dist/bundle";

rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: ["src/index.ts", "src/node.ts", "src/edge.ts", "src/telemetry.ts"],
  outdir,
  bundle: true,
  splitting: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "es2024",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
});
