import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ErrorCode } from "plugboard";
import type { OutputLine, ReattachTarget, TerraformReattach } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { Test } from "../gen/interop/goplugin/grpctest_pb.ts";
import { isAlive } from "../support/leftovers.ts";
import { startStandalone } from "../support/standalone.ts";

const files = mkdtempSync(join(tmpdir(), "reattach-files-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));

let host: Host;
beforeEach(() => {
  host = new Host({ gracePeriodMs: 500 });
});
afterEach(() => host.close());

let running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running) {
    child.kill("SIGKILL");
  }
  running = [];
});

let sockets = 0;

/** Starts the foreign plugin, as another host would, and tells where it is. */
async function start(...words: string[]): Promise<{ target: ReattachTarget & { pid: number }; child: ChildProcess }> {
  const command = ["--conditions=plugboard-source", "test/host/fixtures/foreign-plugin.ts", ...words];
  const socket = join(files, `foreign-${sockets++}.sock`);
  const child = spawn("node", command, {
    env: { ...process.env, FOREIGN_COOKIE: "open sesame", FOREIGN_SOCKET: socket },
    stdio: ["ignore", "pipe", "ignore"],
  });
  running.push(child);
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const [, , network, address] = String(line).split("|");
  return { target: { pid: child.pid ?? 0, address: `${network}:${address}`, protocol: "grpc" }, child };
}

async function failure(target: ReattachTarget | TerraformReattach) {
  return await host.reattach(target).then(
    () => "it was found",
    (error: unknown) => error,
  );
}

describe("a plugin that runs already", () => {
  test.each([["a Unix socket"], ["TCP", "tcp"]])(
    "is called on %s, and left as it is when it is closed",
    async (_, ...words) => {
      const { target } = await start("shuts-down", ...words);
      const plugin = await host.reattach({ ...target, protocolVersion: 5 });
      expect(plugin).toMatchObject({ pid: target.pid, protocolVersion: 5, manifest: undefined });
      expect(await plugin.client(Test).double({ input: 21 })).toMatchObject({ output: 42 });
      await plugin.close();
      await expect(plugin.client(Test).double({ input: 21 })).rejects.toMatchObject({
        errorCode: "PB-CONNECTION-CLOSED",
      });
      expect(isAlive(target.pid)).toBe(true);
      const again = await host.reattach(target);
      expect(await again.client(Test).double({ input: 1 })).toMatchObject({ output: 2 });
      await host.close();
      expect(isAlive(target.pid)).toBe(true);
    },
  );

  test("may be one of Plugboard, which is asked what it speaks", async () => {
    const socket = join(files, "markdown.sock");
    const command = ["node", "--conditions=plugboard-source", "examples/markdown/serve.ts"] as const;
    const standalone = await startStandalone(command, `unix:${socket}`);
    // Whose process is followed does not matter here.
    const plugin = await host.reattach({ pid: process.pid, address: `unix:${socket}` });
    expect(plugin.manifest?.name).toBe("markdown");
    expect(plugin.routes.unary.routes[0]?.name).toBe("unix+ttrpc");
    expect(await plugin.client(MarkdownService).render({ markdown: "hi" })).toMatchObject({ html: "<p>hi</p>" });
    await plugin.close();
    expect(await standalone.stop()).toBe(0);
  });

  test("may be given as Terraform does", async () => {
    const { target } = await start();
    const value = JSON.parse(
      `{"Protocol":"grpc","ProtocolVersion":6,"Pid":${target.pid},"Test":true,` +
        `"Addr":{"Network":"unix","String":"${target.address.slice("unix:".length)}"}}`,
    );
    const plugin = await host.reattach(value);
    expect(plugin.protocolVersion).toBe(6);
    expect(await plugin.client(Test).double({ input: 21 })).toMatchObject({ output: 42 });
  });

  test("has its output handed on", async () => {
    const { target } = await start("stdio");
    const lines: OutputLine[] = [];
    const plugin = await host.reattach(target, { onOutput: (line) => lines.push(line) });
    await plugin.client(Test).printStdio({ stdout: Buffer.from("printed\n") });
    await vi.waitFor(() => expect(lines).toEqual([{ stream: "stdout", text: "printed" }]));
  });

  test("is noticed when it ends", async () => {
    const { target } = await start();
    const plugin = await host.reattach(target);
    const call = plugin.client(Test).stream(
      (async function* () {
        yield { input: 1 };
        await plugin.exited;
      })(),
    );
    const responses = call[Symbol.asyncIterator]();
    await responses.next();
    const outcome = expect(responses.next()).rejects.toMatchObject({ errorCode: "PB-PLUGIN-EXITED" });
    process.kill(target.pid, "SIGKILL");
    await outcome;
    await plugin.exited;
    await vi.waitFor(() =>
      expect(plugin.client(Test).double({})).rejects.toMatchObject({ errorCode: "PB-PLUGIN-EXITED" }),
    );
  });
});

test.each([
  ["for the response to a call", "PB-PLUGIN-EXITED"],
  ["for its end", "it has ended"],
])("a program that does nothing but wait %s learns that the plugin has died", async (way, outcome) => {
  const { target } = await start("stdio");
  const command = ["--conditions=plugboard-source", "test/host/fixtures/reattach-program.ts"];
  const program = spawn("node", [...command, way, JSON.stringify(target)], { stdio: ["ignore", "pipe", "inherit"] });
  running.push(program);
  const exited = once(program, "exit");
  const lines = createInterface(program.stdout)[Symbol.asyncIterator]();
  expect(await lines.next()).toMatchObject({ value: "ready" });
  process.kill(target.pid, "SIGKILL");
  expect(await lines.next()).toMatchObject({ value: outcome });
  expect(await exited).toEqual([0, null]);
});

describe("a plugin that was not launched here ends only when it is told to", () => {
  test("by its own service", async () => {
    const { target, child } = await start("shuts-down");
    const exit = once(child, "exit");
    await (await host.reattach(target)).shutdown();
    expect(await exit).toEqual([0, null]);
  });

  test("by its own service, in its own time if the grace period has no end", async () => {
    const { target, child } = await start("shuts-down", "lingers");
    const exit = once(child, "exit");
    await using patient = new Host({ gracePeriodMs: Number.POSITIVE_INFINITY });
    await (await patient.reattach(target)).shutdown();
    expect(await exit).toEqual([0, null]);
  });

  test("by SIGTERM if it has none", async () => {
    const { target, child } = await start();
    const exit = once(child, "exit");
    await (await host.reattach(target)).shutdown();
    expect(await exit).toEqual([null, "SIGTERM"]);
    expect(existsSync(target.address.slice("unix:".length))).toBe(false);
  });

  test("by SIGKILL if it heeds nothing", async () => {
    const { target, child } = await start("hangs", "ignores-sigterm");
    const exit = once(child, "exit");
    await (await host.reattach(target)).shutdown();
    expect(await exit).toEqual([null, "SIGKILL"]);
  });

  test("ending a plugin whose connection was closed before fails at once, and leaves it alone", async () => {
    const { target } = await start("shuts-down");
    const patient = new Host({ gracePeriodMs: 3_600_000 });
    const plugin = await patient.reattach(target);
    await plugin.close();
    await expect(plugin.shutdown()).rejects.toMatchObject({ errorCode: "PB-CONNECTION-CLOSED" });
    expect(isAlive(target.pid)).toBe(true);
  });

  test("once: who asks again, or closes it meanwhile, waits for the same, and later there is nothing to do", async () => {
    const { target, child } = await start("shuts-down");
    const exit = once(child, "exit");
    const plugin = await host.reattach(target);
    await Promise.all([plugin.shutdown(), plugin.shutdown(), plugin.close(), host.close()]);
    expect(await exit).toEqual([0, null]);
    await plugin.shutdown();
  });
});

describe("what can't be reattached to is reported", () => {
  const address = "unix:/no/such.sock";
  const Addr = { Network: "unix", String: "/no/such.sock" };
  test.each<[string, ErrorCode, ReattachTarget | TerraformReattach]>([
    ["a process that does not run", "PB-REATTACH-GONE", { pid: 2 ** 30, address }],
    ["no process", "PB-REATTACH-TARGET", { pid: 0, address }],
    ["a group of processes", "PB-REATTACH-TARGET", { pid: -1, address }],
    ["nothing", "PB-REATTACH-TARGET", undefined as unknown as ReattachTarget],
    ["a text", "PB-REATTACH-TARGET", '{"pid":1}' as unknown as ReattachTarget],
    ["a protocol that is none", "PB-REATTACH-TARGET", { pid: process.pid, address, protocol: "rest" as "grpc" }],
    ["an address that is none", "PB-TARGET-UNSUPPORTED", { pid: process.pid, address: "/no/such.sock" }],
    ["the web", "PB-REATTACH-TARGET", { pid: process.pid, address: "https://example.com" }],
    ["another machine", "PB-REATTACH-TARGET", { pid: process.pid, address: "tcp:192.0.2.1:4000" }],
    ["a socket that is missing", "PB-CONNECT-UNREACHABLE", { pid: process.pid, address }],
    ["net/rpc", "PB-HANDSHAKE-UNSUPPORTED", { Protocol: "netrpc", Pid: process.pid, Addr }],
    ["no protocol, which means net/rpc", "PB-HANDSHAKE-UNSUPPORTED", { Protocol: "", Pid: process.pid, Addr }],
  ])("if it is %s", async (_, errorCode, target) => {
    expect(await failure(target)).toMatchObject({ errorCode });
  });

  test("if the host is closed", async () => {
    await host.close();
    expect(await failure({ pid: process.pid, address })).toMatchObject({ errorCode: "PB-HOST-CLOSED" });
  });
});
