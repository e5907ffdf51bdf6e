import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, Host } from "plugboard/node";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { untilGone } from "../support/leftovers.ts";

const command = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "shutdown-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("a plugin ends well when its shutdown file appears, and removes it", async () => {
  const file = join(directory, "stop");
  await using host = new Host();
  const loaded = await host.load({ command, env: { PLUGIN_SHUTDOWN_FILE_PATH: file } });
  writeFileSync(join(directory, "another"), "");
  expect(await loaded.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
  writeFileSync(file, "");
  expect(await loaded.exited).toEqual({ code: 0, signal: null });
  expect(existsSync(file)).toBe(false);
});

test("it lets calls in flight finish", async () => {
  const file = join(directory, "stop");
  await using host = new Host();
  const loaded = await host.load({ command, env: { PLUGIN_SHUTDOWN_FILE_PATH: file } });
  const address = loaded.routes.unary.routes[0]?.endpoint.address.text ?? "";
  const finish = Promise.withResolvers<void>();
  async function* requests() {
    yield { id: "drained", text: "before" };
    await finish.promise;
    yield { id: "drained", text: "after" };
  }
  const responses = loaded.client(BehaviourService).converse(requests())[Symbol.asyncIterator]();
  expect(await responses.next()).toMatchObject({ value: { text: "before" } });
  writeFileSync(file, "");
  await vi.waitFor(() => expect(connect(address)).rejects.toThrow("PB-CONNECT-UNREACHABLE"), { timeout: 5_000 });
  finish.resolve();
  expect(await responses.next()).toMatchObject({ value: { text: "after" } });
  expect(await responses.next()).toMatchObject({ done: true });
  expect(await loaded.exited).toEqual({ code: 0, signal: null });
});

test("the file is also found in a directory that is made later", async () => {
  const later = join(directory, "later");
  await using host = new Host();
  const env = { PLUGIN_SHUTDOWN_FILE_PATH: join(later, "stop") };
  const loaded = await host.load({ command, env });
  mkdirSync(later);
  writeFileSync(join(later, "stop"), "");
  expect(await loaded.exited).toEqual({ code: 0, signal: null });
});

test("a path that is relative is meant from where the plugin was started", async () => {
  await using host = new Host({ retry: false });
  const [node, condition, script] = command;
  const loaded = await host.load({
    command: [node, condition, join(process.cwd(), script)],
    cwd: directory,
    env: { PLUGIN_SHUTDOWN_FILE_PATH: "stop" },
  });
  writeFileSync(join(directory, "stop"), "");
  expect(await loaded.exited).toEqual({ code: 0, signal: null });
});

test("what can't be removed ends it all the same", async () => {
  const file = join(directory, "stop");
  await using host = new Host();
  const lines: string[] = [];
  const loaded = await host.load({
    command,
    env: { PLUGIN_SHUTDOWN_FILE_PATH: file },
    onOutput: ({ text }) => lines.push(text),
  });
  mkdirSync(file);
  expect(await loaded.exited).toEqual({ code: 0, signal: null });
  expect(lines[0]).toContain(`plugboard: the shutdown file ${file} can't be removed`);
});

test("a file that is there from the start keeps the plugin from becoming one", async () => {
  const file = join(directory, "stop");
  writeFileSync(file, "");
  await using host = new Host({ retry: false });
  const loading = host.load({ command, env: { PLUGIN_SHUTDOWN_FILE_PATH: file }, onOutput() {} });
  await expect(loading).rejects.toThrow(/PB-HANDSHAKE-EXITED: .*with code 0/);
  expect(existsSync(file)).toBe(false);
});

test("to look for the file keeps no plugin running", async () => {
  await using host = new Host();
  const loaded = await host.load({ command, env: { PLUGIN_SHUTDOWN_FILE_PATH: join(directory, "stop") } });
  await loaded.close();
  await untilGone(loaded.pid);
});
