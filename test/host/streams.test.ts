import { spawn } from "node:child_process";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";

const conditions = "--conditions=plugboard-source";

test("a host lives on when nobody reads the stderr that its plugins' lines go to", async () => {
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
