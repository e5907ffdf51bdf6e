/**
 * Packs every package and uses the tarballs as their users do: what they hold, their types without skipLibCheck, and a
 * plugin that is served, launched and called, from ES modules and from CommonJS, in Node 22 and 24.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { sectionOf } from "./changelog.ts";
import { contentFaults } from "./contents.ts";
import { kinds, readPackages } from "./packages.ts";

const consumer = resolve("scripts/release/consumer");
const nodes = ["22", "24"];

using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-release-"));
const tarballs = join(folder.path, "tarballs");
const project = join(folder.path, "project");
mkdirSync(tarballs);

const packages = readPackages(".");
const version = packages[0]?.manifest.version ?? "";
for (const { name, manifest } of packages) {
  report(`${name} has the version ${version}`, manifest.version === version);
  for (const [other, range] of kinds.flatMap((kind) => Object.entries(manifest[kind] ?? {}))) {
    if (other !== name && packages.some((each) => each.name === other)) {
      report(`${name} names ${other} by its version`, range === `^${version}` || range === version);
    }
  }
}
const changelog = readFileSync("CHANGELOG.md", "utf8");
report(
  "the changelog says what is new",
  (sectionOf(changelog, "Unreleased") ?? sectionOf(changelog, version)) !== undefined,
);

for (const { name, folder: place, manifest } of packages) {
  const before = readdirSync(tarballs);
  run(`${name} is packed`, "npm", ["pack", "--silent", "--pack-destination", tarballs], place);
  const [tarball = ""] = readdirSync(tarballs).filter((each) => !before.includes(each));
  const list = execFileSync("tar", ["-tzf", join(tarballs, tarball)], { encoding: "utf8", maxBuffer: 16_000_000 });
  const faults = contentFaults(list.split("\n").filter(Boolean), manifest);
  report(`${name} holds what it should`, faults.length === 0, faults.join("\n"));
}

cpSync(consumer, project, { recursive: true });
const { devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
const wanted = ["@bufbuild/protobuf", "@connectrpc/connect", "@opentelemetry/api", "@types/node", "hono"].map(
  (name) => `${name}@${installed(name)}`,
);
const files = readdirSync(tarballs).map((name) => join(tarballs, name));
writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }), {
  flag: "wx",
});
run("an empty project installs them", "npm", ["install", "--no-audit", "--no-fund", ...files, ...wanted], project);
run("their types are whole", resolve("node_modules/.bin/tsc"), ["-p", "."], project);

for (const node of nodes) {
  const place = join(folder.path, `node-${node}`);
  mkdirSync(place);
  writeFileSync(join(place, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }));
  const exact = node === "24" ? devDependencies.node : node;
  run(`Node ${node} is installed`, "npm", ["install", "--no-audit", "--no-fund", `node@${exact}`], place);
  const binary = join(place, "node_modules/node/bin/node");
  run(`an ES module uses them in Node ${node}`, binary, ["use.mjs"], project);
  run(`CommonJS uses them in Node ${node}`, binary, ["use.cjs"], project);
}

/** The version that the lock file has of a package. */
function installed(name: string): string {
  return JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")).version;
}

function run(what: string, command: string, words: readonly string[], cwd: string): void {
  const { status, stdout, stderr } = spawnSync(command, words, { cwd, encoding: "utf8", timeout: 300_000 });
  report(what, status === 0, `${stdout}${stderr}`);
}

function report(what: string, holds: boolean, why = ""): void {
  console.log(`${holds ? "ok    " : "FAILED"} ${what}`);
  if (!holds) {
    console.error(why);
    process.exitCode = 1;
  }
}
