/** Checks that the folders gen/ are what `npm run generate` makes of proto/ now. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempDisposableSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-generated-"));
execFileSync("buf", ["generate", "--output", folder.path], { stdio: "inherit" });

const outputs = readdirSync(folder.path).map((name) => join(name, "gen"));
const wanted = filesIn(folder.path, outputs);
const found = filesIn(".", outputs);
const stale = [...new Set([...wanted.keys(), ...found.keys()])].filter((file) => {
  const [fresh, present] = [wanted.get(file), found.get(file)];
  return fresh === undefined || present === undefined || !fresh.equals(present);
});

if (stale.length > 0) {
  console.error(
    `${outputs.join(", ")} do not match proto/, run: npm run generate\n${stale.map((file) => `  ${file}`).join("\n")}`,
  );
  process.exitCode = 1;
} else {
  console.log(`${wanted.size} generated files are up to date`);
}

/** The content of every file in some folders below a root, by its path there. */
function filesIn(root: string, folders: readonly string[]): ReadonlyMap<string, Buffer> {
  const files = folders
    .map((name) => join(root, name))
    .filter((path) => existsSync(path))
    .flatMap((path) => readdirSync(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [relative(root, path), readFileSync(path)]));
}
