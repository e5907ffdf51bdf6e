/** Makes few files of a plugin and all that it needs, in the folder that is named: node examples/container/bundle.ts FOLDER. */
import { build } from "esbuild";

await build({
  entryPoints: ["examples/container/serve.ts"],
  outdir: process.argv[2] ?? "dist/container",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "es2024",
  conditions: ["plugboard-source"],
  // Some packages are no modules, and ask for Node's own in the old way.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  logLevel: "warning",
});
