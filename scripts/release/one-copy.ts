import { cpSync, globSync } from "node:fs";
import { join } from "node:path";
import { install, locked, makeConsumer } from "./consumer.ts";
import { report, run } from "./report.ts";

/** The peers of which two copies would be two of each class. */
const peers = ["@bufbuild/protobuf", "@connectrpc/connect"];

/**
 * Calls plugins in a project in which each package has its dependencies to itself: there is one copy of Connect and protobuf
 * all the same, and the caller knows its errors. Then again with a second copy of both, as package managers that are told to
 * can make one.
 */
export function checkOneCopy(folder: string, tarball: string): void {
  const project = makeConsumer("one-copy", folder);
  const copies = (name: string) => globSync(`**/node_modules/${name}/package.json`, { cwd: project }).length;
  install("a project that shares no dependencies installs plugboard", project, [
    "--install-strategy=nested",
    tarball,
    ...locked(...peers),
  ]);
  const below = globSync("node_modules/plugboard/node_modules/*", { cwd: project });
  report("what plugboard depends on lies below it", below.length > 0);
  for (const peer of peers) {
    report(`there is one copy of ${peer}`, copies(peer) === 1);
  }
  run("errors of plugins are those of the caller's copy", process.execPath, ["use.mjs"], project);
  for (const peer of peers) {
    const place = join("node_modules", peer);
    cpSync(join(project, place), join(project, "node_modules/plugboard", place), { recursive: true });
    report(`there are two copies of ${peer} now`, copies(peer) === 2);
  }
  run("errors of plugins are known across two copies", process.execPath, ["use.mjs"], project);
}
