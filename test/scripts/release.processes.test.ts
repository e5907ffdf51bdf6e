import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempDisposableSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSection, sectionOf } from "../../scripts/release/changelog.ts";
import { readPackages } from "../../scripts/release/packages.ts";
import { prepareRelease } from "../../scripts/release/prepare.ts";

const manifests = {
  ".": { name: "house", version: "1.0.0", license: "MIT", workspaces: ["packages/*"] },
  // Comes before the one that it depends on, by its name.
  "packages/attic": {
    name: "@house/attic",
    version: "1.0.0",
    license: "MIT",
    dependencies: { "@house/roof": "^1.0.0" },
    peerDependencies: { house: "^1.0.0" },
  },
  "packages/roof": { name: "@house/roof", version: "1.0.0", license: "MIT", peerDependencies: { house: "^1.0.0" } },
  "packages/tools": { name: "@house/tools", version: "1.0.0", private: true },
};
const changelog = "# Changelog\n\n## Unreleased\n\n- A roof.\n\n## 1.0.0 - 2026-01-01\n\n- Walls.\n";

function repository(): { readonly root: string; [Symbol.dispose](): void } {
  const folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-release-test-"));
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(folder.path, name)), { recursive: true });
    writeFileSync(join(folder.path, name), text);
  };
  for (const [place, manifest] of Object.entries(manifests)) {
    put(join(place, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    put(join(place, "index.js"), `export const place = "${place}";\n`);
  }
  put("CHANGELOG.md", changelog);
  put(".npmignore", "out\n");
  execFileSync("npm", ["install", "--package-lock-only", "--offline", "--legacy-peer-deps"], {
    cwd: folder.path,
    stdio: "ignore",
  });
  return { root: folder.path, [Symbol.dispose]: () => folder.remove() };
}

/** One whose release is prepared; copied by those that change it, as npm takes its time. */
let released: ReturnType<typeof repository>;
let tarballs: readonly string[];
beforeAll(() => {
  released = repository();
  tarballs = prepare(released.root);
}, 60_000);
afterAll(() => released[Symbol.dispose]());

function copyOfReleased(): { readonly root: string; [Symbol.dispose](): void } {
  const folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-release-test-"));
  cpSync(released.root, folder.path, { recursive: true, verbatimSymlinks: true });
  return { root: folder.path, [Symbol.dispose]: () => folder.remove() };
}

function prepare(root: string, date = "2026-02-02") {
  return prepareRelease({ root, version: "1.1.0", date, output: join(root, "out") });
}

function filesOf(root: string): ReadonlyMap<string, string> {
  const names = [
    "CHANGELOG.md",
    "package-lock.json",
    ...Object.keys(manifests).map((each) => join(each, "package.json")),
  ];
  const made = readdirSync(join(root, "out")).map((name) => join("out", name));
  return new Map([...names, ...made].map((name) => [name, readFileSync(join(root, name), "base64")]));
}

test("a release gives every published package its version, and names of each other by it", () => {
  const packages = new Map(readPackages(released.root).map(({ name, manifest }) => [name, manifest]));
  expect(packages.get("house")?.version).toBe("1.1.0");
  expect(packages.get("@house/attic")).toMatchObject({
    version: "1.1.0",
    dependencies: { "@house/roof": "^1.1.0" },
    peerDependencies: { house: "^1.1.0" },
  });
  const lock = JSON.parse(readFileSync(join(released.root, "package-lock.json"), "utf8"));
  expect(lock.packages["packages/attic"]).toMatchObject({
    version: "1.1.0",
    dependencies: { "@house/roof": "^1.1.0" },
  });
});

test("packages are packed after those that they depend on, and private ones are not", () => {
  expect(tarballs).toEqual(["house-1.1.0.tgz", "house-roof-1.1.0.tgz", "house-attic-1.1.0.tgz"]);
});

test("SHA256SUMS fits every file of a release", () => {
  const checked = execFileSync("sha256sum", ["--check", "SHA256SUMS"], {
    cwd: join(released.root, "out"),
    encoding: "utf8",
  });
  expect(checked.match(/: OK$/gm)).toHaveLength(4);
});

test("a release that is made again, on another day, changes nothing", () => {
  using repo = copyOfReleased();
  prepare(repo.root, "2026-03-03");
  expect(filesOf(repo.root)).toEqual(filesOf(released.root));
});

/** The remains of one that was interrupted: steps that are not yet done, and halves of files. */
const interruptions: readonly { readonly after: string; undo(root: string): void }[] = [
  {
    after: "the first package has its version",
    undo(root) {
      for (const [place, manifest] of Object.entries(manifests).slice(1)) {
        writeFileSync(join(root, place, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
      }
      writeFileSync(join(root, "CHANGELOG.md"), changelog);
      rmSync(join(root, "out"), { recursive: true });
    },
  },
  {
    after: "half of a changelog is written",
    undo(root) {
      writeFileSync(join(root, "CHANGELOG.md"), changelog);
      writeFileSync(join(root, "CHANGELOG.md.new"), "# Chan");
      rmSync(join(root, "out"), { recursive: true });
    },
  },
  {
    after: "one package is packed",
    undo(root) {
      for (const name of ["house-roof-1.1.0.tgz", "house-attic-1.1.0.tgz", "SHA256SUMS", "plugboard-1.1.0.cdx.json"]) {
        rmSync(join(root, "out", name));
      }
    },
  },
  {
    after: "half of the checksums are written",
    undo(root) {
      rmSync(join(root, "out", "SHA256SUMS"));
      writeFileSync(join(root, "out", "SHA256SUMS.new"), "0000");
    },
  },
];

test.each(interruptions)("a release goes on that was interrupted when $after", ({ undo }) => {
  using repo = copyOfReleased();
  undo(repo.root);
  prepare(repo.root);
  expect(filesOf(repo.root)).toEqual(filesOf(released.root));
});

test("a release lists what it is made of, in CycloneDX", () => {
  const bom = JSON.parse(readFileSync(join(released.root, "out", "plugboard-1.1.0.cdx.json"), "utf8"));
  expect(bom).toMatchObject({ bomFormat: "CycloneDX", metadata: { component: { name: "house", version: "1.1.0" } } });
});

test("a changelog without anything new is not released", () => {
  expect(() => openSection("# Changelog\n\n## Unreleased\n\n## 1.0.0 - 2026-01-01\n\n- Walls.\n", "1.1.0", "")).toThrow(
    "nothing under ## Unreleased",
  );
});

test("what is unreleased gets the heading of its version", () => {
  const opened = openSection(changelog, "1.1.0", "2026-02-02");
  expect(opened).toContain("## Unreleased\n\n## 1.1.0 - 2026-02-02\n\n- A roof.\n\n## 1.0.0");
  expect(sectionOf(opened, "1.1.0")).toBe("- A roof.");
  expect(sectionOf(opened, "Unreleased")).toBeUndefined();
});
