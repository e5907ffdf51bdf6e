import { nodeError } from "./errors.ts";

/** As package.json says. */
const lowest = [22, 12] as const;

/**
 * Checks the version of Node before anything fails that an older one lacks, with an error that says nothing of the cause.
 * @throws PlugboardError PB-NODE-VERSION
 */
export function checkNodeVersion(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < lowest[0] || (major === lowest[0] && minor < lowest[1])) {
    throw nodeError("PB-NODE-VERSION", `this is Node ${version}, Plugboard needs ${lowest.join(".")} or later`);
  }
}
