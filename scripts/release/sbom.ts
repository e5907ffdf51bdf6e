import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempDisposableSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isPermitted } from "../check/licences/permitted.ts";
import permitted from "../check/licences.json" with { type: "json" };
import type { Manifest, Package } from "./packages.ts";

interface LockEntry {
  readonly name?: string;
  readonly version?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
}

interface Lock {
  readonly packages: Readonly<Record<string, LockEntry>>;
}

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly { readonly license?: { readonly id?: string }; readonly expression?: string }[];
}

interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly components: readonly Component[];
}

/**
 * Lists, as CycloneDX, all that the packages are and depend on, in the versions of the lock file. The same packages have the
 * same list: it has no serial number and no time.
 * @throws Error if it lacks a package, a checksum or a licence that is permitted.
 */
export function makeSbom(root: string, packages: readonly Package[]): string {
  const names = new Set(packages.map(({ name }) => name));
  const lock = shippedLock(JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")), names);
  using temporary = mkdtempDisposableSync(join(tmpdir(), "plugboard-sbom-"));
  // npm takes the name of the root from its folder, and leaves out what is both a dependency and a peer of one that is not
  // shipped: it gets a folder of that name, without what is not shipped.
  const folder = join(temporary.path, packages[0]?.name ?? "");
  for (const { folder: below, manifest } of packages) {
    const file = join(folder, below, "package.json");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(shippedPart(manifest, names)), { flag: "wx" });
  }
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify(lock), { flag: "wx" });
  const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const { serialNumber: _, ...bom } = JSON.parse(execFileSync("npm", args, { cwd: folder, encoding: "utf8" }));
  delete bom.metadata.timestamp;
  checkSbom(bom, lock);
  return `${JSON.stringify(bom, null, 2)}\n`;
}

function shippedLock(lock: Lock, names: ReadonlySet<string>): Lock {
  const shipped = Object.entries(lock.packages).filter(([, { dev }]) => !dev);
  return { ...lock, packages: Object.fromEntries(shipped.map(([path, entry]) => [path, shippedPart(entry, names)])) };
}

/** Without what is for contributors, and without the root as a peer of the others, which npm would look for elsewhere. */
function shippedPart<Entry extends object>(entry: Entry, names: ReadonlySet<string>): Entry {
  const { devDependencies: _, overrides: __, peerDependencies = {}, ...rest } = entry as Partial<Manifest>;
  const peers = Object.entries(peerDependencies).filter(([name]) => !names.has(name));
  return { ...rest, ...(peers.length > 0 && { peerDependencies: Object.fromEntries(peers) }) } as Entry;
}

function checkSbom({ bomFormat, components }: Bom, { packages }: Lock): void {
  const faults = bomFormat === "CycloneDX" ? [] : [`the format is ${bomFormat}`];
  for (const [path, { name = nameOf(path), version, link, integrity }] of Object.entries(packages)) {
    if (path === "" || link || !path.includes("node_modules/")) {
      continue;
    }
    const component = components.find((each) => each.name === name && each.version === version);
    const sha512 = component?.hashes?.find(({ alg }) => alg === "SHA-512")?.content;
    const wanted = Buffer.from(integrity?.replace("sha512-", "") ?? "", "base64").toString("hex");
    const licence = component?.licenses?.[0]?.license?.id ?? component?.licenses?.[0]?.expression ?? "";
    if (component === undefined) {
      faults.push(`${name} ${version} is missing`);
    } else if (sha512 !== wanted || component.purl === undefined) {
      faults.push(`${name} ${version} has not its checksum and address`);
    } else if (!isPermitted(licence, permitted.shipped)) {
      faults.push(`${name} ${version} has no licence that is permitted: ${licence}`);
    }
  }
  if (faults.length > 0) {
    throw new Error(`the SBOM is wrong:\n  ${faults.join("\n  ")}`);
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
}
