/**
 * Bundles the package for Node, where finding and linking a hundred small modules takes longer than running them: one file of
 * CommonJS, the parts of which run when they are first needed, and a module of its exports for each entry point. ES modules
 * would each be linked at the start, with every lazy part of the modules of Node that they import.
 *
 * What the runtime of RPC consists of is in it, too, as its 140 modules take as long as ours; its types stay those of the peer
 * dependencies. All else gets the modules as they are, of which bundlers leave out what is not used.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { build, type Plugin } from "esbuild";

const outdir = "dist/bundle";
const entries = ["index", "node", "edge", "telemetry"];
/** In the bundle: packages that know each other's objects across copies, by name or by registered symbols. */
const inlined = ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"];

rmSync(outdir, { recursive: true, force: true });
mkdirSync(outdir, { recursive: true });

const { metafile } = await build({
  stdin: {
    // Getters, as who imports one entry point needs nothing of the others.
    contents: entries
      .map((name) => `Object.defineProperty(exports, "${name}", { get: () => require("./src/${name}.ts") });`)
      .join("\n"),
    resolveDir: process.cwd(),
    sourcefile: "entries.cjs",
  },
  outfile: `${outdir}/plugboard.cjs`,
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "es2024",
  plugins: [keepOutside()],
  sourcemap: true,
  sourcesContent: false,
  metafile: true,
  logLevel: "warning",
});

// Node looks for the names of a module's exports in all of its text, and here there are none to be found.
writeFileSync(`${outdir}/load.cjs`, 'const plugboard = require("./plugboard.cjs");\nmodule.exports = plugboard;\n');
for (const name of entries) {
  const names = await exportsOf(name);
  const text = `import plugboard from "./load.cjs";\nexport const { ${names.join(", ")} } = plugboard.${name};\n`;
  writeFileSync(`${outdir}/${name}.js`, text);
}

const packages = inlined.map((name) => {
  const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  return `plugboard.cjs has code of ${name} ${version} in it, under this licence: ${license}`;
});
writeFileSync(
  `${outdir}/NOTICE`,
  `${[packages.join("\n"), ...noticesIn(Object.keys(metafile.inputs))].join("\n\n")}\n`,
);

/** What the modules of packages say of their licence, each of it once. */
function noticesIn(paths: readonly string[]): readonly string[] {
  const texts = paths.filter((path) => path.includes("node_modules/")).map((path) => readFileSync(path, "utf8"));
  const heads = texts.flatMap(
    (text) =>
      /^(?:\/\/.*\n)+/
        .exec(text)?.[0]
        .replaceAll(/^\/\/ ?/gm, "")
        .trim() ?? [],
  );
  return [...new Set(heads)].filter((head) => head.includes("Copyright"));
}

/** Leaves all packages where they are but those that are inlined. */
function keepOutside(): Plugin {
  return {
    name: "keep-outside",
    setup({ onResolve }) {
      onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
        kind === "entry-point" || inlined.some((name) => path === name || path.startsWith(`${name}/`))
          ? undefined
          : { path, external: true },
      );
    },
  };
}

/** The names that an entry point exports. */
async function exportsOf(name: string): Promise<readonly string[]> {
  const { metafile } = await build({
    entryPoints: [`src/${name}.ts`],
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    outdir,
    write: false,
    metafile: true,
  });
  return Object.values(metafile.outputs).flatMap(({ entryPoint, exports }) => (entryPoint ? exports : []));
}
