import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempDisposableSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { bump } from "./bump.ts";
import { openSection } from "./changelog.ts";
import { readPackages } from "./packages.ts";
import { replaceFile } from "./replace-file.ts";
import { makeSbom } from "./sbom.ts";

export interface Release {
  /** Of the repository. */
  readonly root: string;
  readonly version: string;
  /** Of the changelog's section: YYYY-MM-DD. */
  readonly date: string;
  /** For tarballs, their checksums and the SBOM. */
  readonly output: string;
}

/**
 * Prepares a release: versions, changelog, tarballs in the order in which they have to be published, SBOM, SHA256SUMS. Each
 * file is replaced in one step and made from the others, so it can be run again, and goes on where it was interrupted.
 * @returns The names of the tarballs.
 */
export function prepareRelease({ root, version, date, output }: Release): readonly string[] {
  bump(root, readPackages(root), version);
  const changelog = join(root, "CHANGELOG.md");
  const present = readFileSync(changelog, "utf8");
  replaceFile(changelog, present, openSection(present, version, date));

  mkdirSync(output, { recursive: true });
  const packages = readPackages(root);
  const tarballs = packages.map(({ folder }) => pack(join(root, folder), output));
  const sbom = `plugboard-${version}.cdx.json`;
  write(join(output, sbom), makeSbom(root, packages));
  write(
    join(output, "SHA256SUMS"),
    [...tarballs, sbom].map((name) => `${sha256(join(output, name))}  ${name}\n`).join(""),
  );
  return tarballs;
}

/** Packs a package, which builds it. The tarball appears when it is whole. */
function pack(folder: string, output: string): string {
  using temporary = mkdtempDisposableSync(join(output, ".packing-"));
  execFileSync("npm", ["pack", "--silent", "--pack-destination", temporary.path], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [name] = readdirSync(temporary.path);
  if (name === undefined) {
    throw new Error(`npm pack made nothing of ${folder}`);
  }
  renameSync(join(temporary.path, name), join(output, name));
  return name;
}

function write(file: string, text: string): void {
  replaceFile(file, existsSync(file) ? readFileSync(file, "utf8") : undefined, text);
}

function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
