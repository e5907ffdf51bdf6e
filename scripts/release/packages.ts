/** The packages of the repository. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly workspaces?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly overrides?: unknown;
  readonly exports?: Readonly<Record<string, unknown>>;
}

export interface Package {
  readonly name: string;
  /** From the root; the root's own is ".". */
  readonly folder: string;
  readonly manifest: Manifest;
}

/** The fields in which one package may name the version of another. */
export const kinds = ["dependencies", "peerDependencies", "devDependencies"] as const;

/**
 * The packages to be published: each after those that it depends on, the root first.
 * @throws Error if they depend on each other in a circle.
 */
export function readPackages(root: string): readonly Package[] {
  const main = readPackage(root, ".");
  const folders = (main.manifest.workspaces ?? []).flatMap((pattern) => globSync(pattern, { cwd: root }).sort());
  const others = folders
    .filter((folder) => existsSync(join(root, folder, "package.json")))
    .map((folder) => readPackage(root, folder));
  return inOrder([main, ...others].filter(({ manifest }) => !manifest.private));
}

function readPackage(root: string, folder: string): Package {
  const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as Manifest;
  return { name: manifest.name, folder, manifest };
}

function inOrder(packages: readonly Package[]): readonly Package[] {
  const ordered: Package[] = [];
  let rest = packages;
  while (rest.length > 0) {
    const ready = rest.filter(
      ({ manifest }) => !rest.some(({ name }) => name !== manifest.name && needs(manifest, name)),
    );
    if (ready.length === 0) {
      throw new Error(`these packages depend on each other in a circle: ${rest.map(({ name }) => name).join(", ")}`);
    }
    ordered.push(...ready);
    rest = rest.filter((each) => !ready.includes(each));
  }
  return ordered;
}

function needs(manifest: Manifest, name: string): boolean {
  return kinds.some((kind) => manifest[kind]?.[name] !== undefined);
}
