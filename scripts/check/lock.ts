/**
 * Checks that package-lock.json tells of every package what has to be in it, so that `npm ci` takes nothing else, and of
 * none where it is to be got from.
 */
import { readFileSync } from "node:fs";

interface LockEntry {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  /** It is part of another's archive, whose checksum covers it. */
  readonly inBundle?: boolean;
}

const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Record<string, LockEntry> };
/** Not the folders of this repository, which are the root and its workspaces, and the links to them. */
const installed = Object.entries(packages).filter(
  ([path, { link, inBundle }]) => path.includes("node_modules/") && !link && !inBundle,
);
const faults = installed.flatMap(([path, { integrity, resolved }]) => [
  ...(integrity?.startsWith("sha512-") ? [] : [`${path} has no SHA-512`]),
  ...(resolved === undefined ? [] : [`${path} has an address`]),
]);

if (faults.length > 0) {
  console.error(`package-lock.json, to be made by npm run lock:\n${faults.map((each) => `  ${each}`).join("\n")}`);
  process.exitCode = 1;
} else {
  console.log(`each of ${installed.length} packages in package-lock.json has a checksum`);
}
