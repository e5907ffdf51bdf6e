import { spawn } from "node:child_process";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";

const conditions = "--conditions=plugboard-source";

test("a host lives on when no one reads the stderr that its plugins' lines go to", async () => {
  const host = spawn("node", [conditions, "test/host/fixtures/unread-host.ts"], { stdio: ["pipe", "pipe", "pipe"] });
  const exited = once(host, "exit");
  await once(host.stdout, "data");
  host.stderr.destroy();
  await once(host.stderr, "close");
  let printed = "";
  host.stdout.on("data", (text) => {
    printed += text;
  });
  host.stdin.write("go\n");
  expect(await exited).toEqual([0, null]);
  expect(printed).toBe("done\n");
});

test("a broker serves in a worker thread, too", async () => {
  const worker = new Worker("./test/host/fixtures/host-in-worker.ts", { execArgv: [conditions] });
  expect(await once(worker, "message")).toEqual(["served"]);
  await worker.terminate();
});

test("a plugin that stands alone lives on when no one reads its stderr any more", async () => {
  const command = [conditions, "test/host/fixtures/unruly-plugin.ts", "--listen", "tcp:127.0.0.1:0"];
  const plugin = spawn("node", command, { stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(plugin, "exit");
  const [line] = (await once(plugin.stdout, "data")) as [Buffer];
  plugin.stderr.destroy();
  await once(plugin.stderr, "close");
  await using connection = await connect(
    String(line)
      .replace(/^.* listens on /, "")
      .trim(),
  );
  const client = connection.client(MarkdownService);
  // What it prints is lost, and what comes after it gets a response.
  await client.render({ markdown: "print" });
  await client.render({ markdown: "print" });
  plugin.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
});
