/** Bundles the portable entry points for a browser, to see that no module of a runtime is left in them. */
import { isBuiltin } from "node:module";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "esbuild";

for (const entry of ["src/index.ts", "src/browser.ts", "src/edge.ts", "src/telemetry.ts"]) {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    conditions: ["plugboard-source"],
    plugins: [leaveOutRuntimeModules()],
  });

  for (const { contents } of outputFiles) {
    console.log(`${entry}: ${kilobytes(contents.length)} minified, ${kilobytes(gzipSync(contents).length)} gzipped`);
  }

  const left = new Set(Object.values(metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path)));
  for (const [importer, input] of Object.entries(metafile.inputs)) {
    for (const { path } of input.imports.filter(({ external, path }) => external && left.has(path))) {
      console.error(`  ${path} is imported by ${importer}`);
      process.exitCode = 1;
    }
  }
}

/** Keeps what only a runtime provides out of the bundle, so that all of it is reported and not the first alone. */
function leaveOutRuntimeModules(): Plugin {
  return {
    name: "leave-out-runtime-modules",
    setup({ onResolve }) {
      onResolve({ filter: /^[^./]/ }, ({ path }) =>
        isBuiltin(path) || path.startsWith("cloudflare:") ? { path, external: true } : undefined,
      );
    },
  };
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
