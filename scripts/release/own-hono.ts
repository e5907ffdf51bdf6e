import { resolve } from "node:path";
import { checkTypes, install, locked, makeConsumer, versionIn } from "./consumer.ts";
import { report, run } from "./report.ts";

/**
 * Mounts a Worker in an app of a user's own, whose hono is not the one that we are tested with: the last one before it, and
 * the lowest that our range allows. Two copies would be two classes, which TypeScript takes for different ones.
 * @param range Our own of hono, such as "^4.12.0".
 */
export function checkOwnHono(folder: string, tarball: string, range: string): void {
  const project = makeConsumer("own-hono", folder);
  const tested = versionIn(".", "hono");
  for (const [which, wanted] of [
    ["a patch below ours", `<${tested}`],
    ["the lowest that our range has", range.replace("^", "")],
  ]) {
    install(`a project with a hono of its own, ${which}, installs plugboard`, project, [
      tarball,
      ...locked("@bufbuild/protobuf", "@connectrpc/connect"),
      `hono@${wanted}`,
    ]);
    const version = versionIn(project, "hono");
    report(`its hono is ${version}, not ${tested}`, version !== tested);
    checkTypes("its app has the right types", project);
    run("its app runs in workerd, with middleware around the plugin", process.execPath, [worker, project], ".");
  }
}

const worker = resolve("scripts/release/call-worker.ts");
