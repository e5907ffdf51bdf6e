/**
 * Checks the licence of every package in package-lock.json against licences.json: users install those that are shipped,
 * only contributors the others.
 */
import { readFileSync } from "node:fs";
import { isPermitted } from "./licences/permitted.ts";
import permitted from "./licences.json" with { type: "json" };

interface LockEntry {
  readonly license?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Record<string, LockEntry> };
const installed = Object.entries(packages).filter(([path, { link }]) => path.includes("node_modules/") && !link);

const faults = installed.flatMap(([path, { dev, license = licenceOfWhole(path) }]) => {
  const list = dev ? [...permitted.shipped, ...permitted.development] : permitted.shipped;
  return license !== undefined && isPermitted(license, list) ? [] : [`${path}: ${license ?? "no licence"}`];
});
if (faults.length > 0) {
  console.error(
    `licences that scripts/check/licences.json does not permit:\n${faults.map((each) => `  ${each}`).join("\n")}`,
  );
  process.exitCode = 1;
} else {
  console.log(`the licences of ${installed.length} packages are permitted`);
}

/** A platform's part of a package, of which the lock file has no licence, is under that of the package. */
function licenceOfWhole(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
  return Object.values(packages).find(({ optionalDependencies = {} }) => name in optionalDependencies)?.license;
}
