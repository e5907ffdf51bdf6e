import { readFileSync } from "node:fs";
import { join } from "node:path";
import { kinds, type Package } from "./packages.ts";
import { replaceFile } from "./replace-file.ts";

type Json = Record<string, unknown>;

/**
 * Gives every package the version, and has them name each other by it; the lock file, too. What has it already stays as it
 * is.
 */
export function bump(root: string, packages: readonly Package[], version: string): void {
  const names = new Set(packages.map(({ name }) => name));
  for (const { folder } of packages) {
    rewrite(join(root, folder, "package.json"), (manifest) => bumped(manifest, names, version));
  }
  const places = new Set(packages.map(({ folder }) => (folder === "." ? "" : folder)));
  rewrite(join(root, "package-lock.json"), (lock) => {
    const entries = Object.entries(lock.packages as Record<string, Json>);
    return {
      ...lock,
      version,
      packages: Object.fromEntries(
        entries.map(([place, entry]) => [place, places.has(place) ? bumped(entry, names, version) : entry]),
      ),
    };
  });
}

function bumped(manifest: Json, names: ReadonlySet<string>, version: string): Json {
  const changed: Json = { ...manifest, version };
  for (const kind of kinds) {
    const dependencies = manifest[kind] as Readonly<Record<string, string>> | undefined;
    if (dependencies !== undefined) {
      changed[kind] = Object.fromEntries(
        Object.entries(dependencies).map(([name, range]) => [
          name,
          names.has(name) && range.startsWith("^") ? `^${version}` : range,
        ]),
      );
    }
  }
  return changed;
}

function rewrite(file: string, change: (content: Json) => Json): void {
  const present = readFileSync(file, "utf8");
  replaceFile(file, present, `${JSON.stringify(change(JSON.parse(present)), null, 2)}\n`);
}
