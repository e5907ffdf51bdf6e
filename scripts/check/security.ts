/** Scans what is in Git for faults that an attacker could use. See security/ for each. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type Finding, type Scan, scanSource } from "./security/scan.ts";
import { scansOf } from "./security/scans.ts";
import { secretsIn } from "./security/secrets.ts";
import { parseSource } from "./security/source.ts";

const files = execFileSync("git", ["ls-files", "-z"], { encoding: "utf8" }).split("\0").filter(Boolean);
const findings = files.flatMap(findingsIn);
for (const { file, line, scan, message } of findings) {
  console.error(`${file}:${line}: ${scan}: ${message}`);
}
if (findings.length > 0) {
  console.error(`Where one is right as it is, say why in a comment above it: // allowed SCAN: reason`);
  process.exitCode = 1;
} else {
  console.log(`${files.length} files hold none of what the scans look for`);
}

function findingsIn(file: string): readonly Finding[] {
  const text = readFileSync(file, "utf8");
  const scans: readonly Scan[] = scansOf(file);
  if (scans.length > 0) {
    return scanSource(parseSource(file, text), scans);
  }
  return secretsIn(text).map(({ node, message }) => ({
    file,
    line: text.slice(0, node.start).split("\n").length,
    scan: "secrets",
    message,
  }));
}
