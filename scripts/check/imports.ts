/** Checks the import rules of .dependency-cruiser.mjs. */
import { globSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import { pathToFileURL } from "node:url";

// TypeScript 7 has no compiler API yet, and without one dependency-cruiser sees no TypeScript. Installing a second
// TypeScript would take over the `tsc` command, so it borrows the older one that attw brings.
const attw = createRequire(createRequire(import.meta.url).resolve("@arethetypeswrong/cli/package.json"));
const older = createRequire(attw.resolve("@arethetypeswrong/core"));
const borrowed = new Map(
  ["typescript", "typescript/package.json"].map((name) => [name, pathToFileURL(older.resolve(name)).href]),
);
registerHooks({
  resolve(specifier, context, next) {
    const url = borrowed.get(specifier);
    return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
  },
});

const { cruise, getAvailableTranspilers } = await import("dependency-cruiser");
const { default: readOptions } = await import("dependency-cruiser/config-utl/extract-depcruise-options");

if (!getAvailableTranspilers().some(({ name, available }) => name === "typescript" && available)) {
  throw new Error("dependency-cruiser can't use the TypeScript that @arethetypeswrong/core brings: see this script");
}

const packageSources = globSync("packages/*/src");
const options = await readOptions("./.dependency-cruiser.mjs");
const { output, exitCode } = await cruise(["src", ...packageSources, "examples", "workers"], {
  ...options,
  outputType: "err",
});
console.log(output);
process.exitCode = exitCode;
