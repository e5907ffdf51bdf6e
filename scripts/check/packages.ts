/**
 * Checks that every folder of packages/ is a package like the others: what its package.json says, the files that it has to
 * have, what it imports, its contract if it has one; then packs it and checks that Node and TypeScript can use the result.
 */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempDisposableSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import root from "../../package.json" with { type: "json" };

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly description?: string;
  readonly type?: string;
  readonly private?: boolean;
  readonly engines?: Readonly<Record<string, string>>;
  readonly files?: readonly string[];
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const folders = globSync("packages/*/package.json").map((file) => file.slice(0, -"/package.json".length));
const allFaults = folders.flatMap((folder) => faultsOf(folder).map((fault) => `${folder}: ${fault}`));

if (allFaults.length > 0) {
  console.error(allFaults.join("\n"));
  process.exitCode = 1;
} else if (!folders.every(isUsable)) {
  process.exitCode = 1;
} else {
  console.log(`${folders.length} packages are as they should be: ${folders.map((each) => basename(each)).join(", ")}`);
}

function faultsOf(folder: string): readonly string[] {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const name = basename(folder);
  const wanted: readonly (readonly [fits: boolean, fault: string])[] = [
    [manifest.name === `@plugboard/${name}`, `is named ${manifest.name}, not @plugboard/${name}`],
    [manifest.version === root.version, `has version ${manifest.version}, plugboard has ${root.version}`],
    [manifest.license === root.license, `has the license ${manifest.license}, plugboard has ${root.license}`],
    [(manifest.description ?? "") !== "", "has no description"],
    [manifest.type === "module", 'lacks "type": "module"'],
    [manifest.engines?.node === root.engines.node, `wants another Node than plugboard, ${root.engines.node}`],
    [
      manifest.peerDependencies?.plugboard === `^${root.version}`,
      `its peer dependency plugboard is ${manifest.peerDependencies?.plugboard}, not ^${root.version}`,
    ],
    [manifest.scripts?.build !== undefined, "has no script build"],
    [manifest.files?.includes("dist") === true && manifest.files.includes("src"), "publishes no dist and src"],
    ...["README.md", "LICENSE", "src/index.ts", "tsconfig.build.json"].map(
      (file) => [existsSync(join(folder, file)), `has no ${file}`] as const,
    ),
    [globSync(join(folder, "test/**/*.test.ts")).length > 0, "has no tests"],
    [
      globSync("docs/**/*.md").some((page) => readFileSync(page, "utf8").includes(`@plugboard/${name}`)),
      "is on no page of docs/",
    ],
    // A service is called from many places, and has to be the same in all of them.
    [
      !existsSync(`proto/plugboard/${name}`) || existsSync(join(folder, "test/conformance.test.ts")),
      "has a contract and no test/conformance.test.ts",
    ],
  ];
  return [
    ...wanted.flatMap(([fits, fault]) => (fits ? [] : [fault])),
    ...faultsOfExports(folder, manifest),
    ...undeclaredImports(folder, manifest),
  ];
}

/** Each entry point is there as source, for this repository, and as what is built. */
function faultsOfExports(folder: string, { exports = {} }: Manifest): readonly string[] {
  const { ".": main, "./package.json": own, ...others } = exports;
  const entries = Object.entries({ ".": main, ...others }).flatMap(([entry, conditions]) => {
    const { "plugboard-source": source, types, default: built } = typeof conditions === "object" ? conditions : {};
    const file = source?.replace("./src/", "./dist/");
    const fits =
      source !== undefined &&
      existsSync(join(folder, source)) &&
      types === file?.replace(/[.]ts$/, ".d.ts") &&
      built === file?.replace(/[.]ts$/, ".js");
    return fits ? [] : [`its export ${entry} has not plugboard-source, types and default for one file of src/`];
  });
  return [...entries, ...(own === "./package.json" ? [] : ["does not export ./package.json"])];
}

function undeclaredImports(folder: string, { dependencies, peerDependencies, name }: Manifest): readonly string[] {
  const declared = new Set([...Object.keys({ ...dependencies, ...peerDependencies }), name]);
  return globSync(join(folder, "src/**/*.ts")).flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/(?:\bfrom|^import|\bimport\()\s*"([^".][^"]*)"/gm)].flatMap(
      ([, specifier = ""]) => {
        const needed = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
        const isBuiltIn = specifier.startsWith("node:") || builtinModules.includes(specifier);
        return isBuiltIn || declared.has(needed)
          ? []
          : [`${file} imports ${needed}, which its package.json does not declare`];
      },
    ),
  );
}

/** Packs the package as for publishing, which builds it. */
function isUsable(folder: string): boolean {
  using target = mkdtempDisposableSync(join(tmpdir(), "plugboard-package-"));
  if (!existsSync("dist/index.d.ts") && !succeeds("npm", "run", "--silent", "build")) {
    return false;
  }
  return (
    succeeds("npm", "pack", "--silent", "--pack-destination", target.path, `./${folder}`) &&
    globSync(join(target.path, "*.tgz")).every(
      (tarball) => succeeds("publint", "--strict", tarball) && succeeds("attw", "--profile", "esm-only", tarball),
    )
  );
}

function succeeds(command: string, ...words: readonly string[]): boolean {
  return spawnSync(command, words, { stdio: "inherit" }).status === 0;
}
