/** Packs the package as for publishing, which builds it, and checks that Node and TypeScript can use the result. */
import { spawnSync } from "node:child_process";
import { mkdtempDisposableSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-package-"));
const packed = succeeds("npm", "pack", "--silent", "--pack-destination", folder.path);
const tarballs = readdirSync(folder.path).map((name) => join(folder.path, name));
const usable = tarballs.every(
  (tarball) => succeeds("publint", "--strict", tarball) && succeeds("attw", "--profile", "esm-only", tarball),
);
process.exitCode = packed && usable ? 0 : 1;

function succeeds(command: string, ...words: readonly string[]): boolean {
  return spawnSync(command, words, { stdio: "inherit" }).status === 0;
}
