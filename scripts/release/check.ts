/**
 * Packs every package and uses the tarballs as their users do: what they hold, their types without skipLibCheck, and a
 * plugin that is served, launched and called, from ES modules and from CommonJS, in Node 22 and 24; also where a user has
 * another hono, or shares no dependencies.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sectionOf } from "./changelog.ts";
import { checkTypes, install, locked, makeConsumer } from "./consumer.ts";
import { contentFaults } from "./contents.ts";
import { checkOneCopy } from "./one-copy.ts";
import { checkOwnHono } from "./own-hono.ts";
import { kinds, readPackages } from "./packages.ts";
import { report, run } from "./report.ts";

const nodes = ["22", "24"];

using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-release-"));
const tarballs = join(folder.path, "tarballs");
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

const { dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
const files = readdirSync(tarballs).map((name) => join(tarballs, name));
const project = makeConsumer("plain", folder.path);
install("an empty project installs them", project, [
  ...files,
  ...locked("@bufbuild/protobuf", "@connectrpc/connect", "@opentelemetry/api", "@types/node", "hono"),
]);
checkTypes("their types are whole", project);

for (const node of nodes) {
  const place = join(folder.path, `node-${node}`);
  mkdirSync(place);
  writeFileSync(join(place, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }));
  const exact = node === "24" ? devDependencies.node : node;
  install(`Node ${node} is installed`, place, [`node@${exact}`]);
  const binary = join(place, "node_modules/node/bin/node");
  run(`an ES module uses them in Node ${node}`, binary, ["use.mjs"], project);
  run(`CommonJS uses them in Node ${node}`, binary, ["use.cjs"], project);
}

const [core = ""] = files.filter((file) => /[\\/]plugboard-\d[^\\/]*$/.test(file));
checkOwnHono(folder.path, core, dependencies.hono);
checkOneCopy(folder.path, core);
