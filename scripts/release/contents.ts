import type { Manifest } from "./packages.ts";

const places =
  /^package\/(?:dist|docs|src|proto|examples|workers|bench\/results)\/|^package\/(?:package\.json|wrangler\.toml|(?:README|CHANGELOG|CONTRIBUTING)\.md|LICENSE)$/;
const unwanted = /(?:^|\/)(?:\.env.*|.*\.(?:key|pem|tsbuildinfo|log|test\.[cm]?[jt]s)|node_modules|test|tests)(?:\/|$)/;

/** The faults of a tarball's files: some that users have no use for, or that are a secret, or that are missing. */
export function contentFaults(files: readonly string[], manifest: Pick<Manifest, "exports">): readonly string[] {
  const present = new Set(files);
  const needed = ["README.md", "LICENSE", "package.json", ...targetsOf(manifest.exports)];
  return [
    ...files.filter((file) => !places.test(file) || unwanted.test(file)).map((file) => `${file} is not for users`),
    ...needed
      .map((file) => `package/${file.replace(/^\.\//, "")}`)
      .filter((file) => !present.has(file))
      .map((file) => `${file} is missing`),
  ];
}

/** The files that exports name. */
function targetsOf(exports: unknown): readonly string[] {
  if (typeof exports === "string") {
    return [exports];
  }
  return typeof exports === "object" && exports !== null ? Object.values(exports).flatMap(targetsOf) : [];
}
