// npm leaves platform packages that it does not install here out of the lock file, and then refuses the file in `npm ci`.
// This puts them back, from what the packages that want them say, with the checksums that the registry has: without one,
// `npm ci` would run whatever it gets on those platforms.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly inBundle?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const operatingSystems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const processors: Readonly<Record<string, string>> = { "64": "x64", armv7: "arm" };
const knownProcessors = ["arm", "arm64", "ia32", "ppc64", "riscv64", "s390x", "x64"];

const file = "package-lock.json";
const lock = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, LockEntry> };

function platformOf(name: string) {
  const words = (name.split("/").at(-1) ?? name).replace("windows", "win32").split("-");
  const os = words.find((word) => operatingSystems.includes(word));
  const cpu = words.map((word) => processors[word] ?? word).find((word) => knownProcessors.includes(word));
  if (os === undefined || cpu === undefined) {
    throw new Error(`${name} is missing from ${file}, and its name does not tell its platform`);
  }
  const libc = words.some((word) => word.startsWith("musl"))
    ? { libc: ["musl"] }
    : words.some((word) => word.startsWith("gnu"))
      ? { libc: ["glibc"] }
      : {};
  return { cpu: [cpu], os: [os], ...libc };
}

/**
 * An entry without a checksum of npm's is one that was put back here. Workspaces are folders of this repository, and
 * have none.
 */
function withIntegrity(path: string, { version, ...entry }: LockEntry): LockEntry {
  const isFolder = !path.includes("node_modules/");
  if (version === undefined || isFolder || entry.link || entry.inBundle || entry.integrity !== undefined) {
    return { ...(version !== undefined && { version }), ...entry };
  }
  const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
  return { version, integrity: integrityOf(name, version), ...entry };
}

/** @throws Error if the registry has no such package. */
function integrityOf(name: string, version: string): string {
  const printed = execFileSync("npm", ["view", "--json", `${name}@${version}`, "dist.integrity"], { encoding: "utf8" });
  const integrity: unknown = printed.trim() === "" ? undefined : JSON.parse(printed);
  if (typeof integrity !== "string" || !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)) {
    throw new Error(`the registry tells no SHA-512 of ${name}@${version}`);
  }
  return integrity;
}

const added: Record<string, LockEntry> = {};
for (const [path, { dev, optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const place = `node_modules/${name}`;
    if (lock.packages[place] === undefined && lock.packages[`${path}/${place}`] === undefined) {
      added[place] = { version, ...platformOf(name), ...(dev && { dev }), ...{ optional: true } };
    }
  }
}
const [root, ...rest] = Object.entries(lock.packages);
if (root === undefined) {
  throw new Error(`${file} is empty`);
}
const packages = [...rest, ...Object.entries(added)]
  .map(([path, entry]): [string, LockEntry] => [path, withIntegrity(path, entry)])
  .sort(([a], [b]) => a.localeCompare(b, "en"));
writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries([root, ...packages]) }, null, 2)}\n`);
console.log(`${Object.keys(added).length} platform packages added to ${file}`);
