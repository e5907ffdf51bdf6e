/**
 * `npm run release -- VERSION` prepares a release in release/VERSION, and says how to publish it. With --dry-run all of it
 * happens in a copy, and the repository stays as it is.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempDisposableSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { compareVersions, validateStrict } from "compare-versions";
import manifest from "../../package.json" with { type: "json" };
import { prepareRelease } from "./prepare.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "dry-run": { type: "boolean", default: false },
    date: { type: "string", default: new Date().toISOString().slice(0, 10) },
  },
});
const [version = "", ...others] = positionals;
if (!validateStrict(version) || others.length > 0 || compareVersions(version, manifest.version) < 0) {
  console.error(
    `usage: npm run release -- VERSION [--dry-run] [--date YYYY-MM-DD]; VERSION is at least ${manifest.version}`,
  );
  process.exit(2);
}

const { date } = values;
const output = resolve("release", values["dry-run"] ? `${version}-dry-run` : version);
if (values["dry-run"]) {
  using copy = mkdtempDisposableSync(join(tmpdir(), "plugboard-release-"));
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    encoding: "utf8",
  });
  for (const file of files.split("\0").filter(Boolean)) {
    cpSync(file, join(copy.path, file), { verbatimSymlinks: true });
  }
  symlinkSync(resolve("node_modules"), join(copy.path, "node_modules"));
  report(prepareRelease({ root: copy.path, version, date, output }));
} else {
  report(prepareRelease({ root: process.cwd(), version, date, output }));
}

function report(tarballs: readonly string[]): void {
  console.log(`${output} holds, with their SHA-256 in SHA256SUMS:\n${tarballs.map((name) => `  ${name}`).join("\n")}`);
  if (!values["dry-run"]) {
    const publish = tarballs.map((name) => `  npm publish --provenance ${join("release", version, name)}`);
    console.log(`to publish it:\n  git commit -am "Version ${version}" && git tag v${version}\n${publish.join("\n")}`);
  }
}
