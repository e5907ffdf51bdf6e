import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Test, TestRequestSchema, TestResponseSchema } from "../../gen/interop/goplugin/grpctest_pb.ts";
import { isAlive, untilGone } from "../../support/leftovers.ts";
import { startStandalone } from "../../support/standalone.ts";
import type { GoHost } from "./go-host.ts";
import { startGoHost } from "./go-host.ts";
import { goProgram, lacksGo } from "./go-programs.ts";

const { double, printKV, printStdio } = Test.method;

const pluginCommand = (name: string): [string, ...string[]] => {
  return [process.execPath, "--conditions=plugboard-source", join(import.meta.dirname, "plugins", `${name}.ts`)];
};

describe.skipIf(lacksGo)("a host made with go-plugin, for which go has to be on PATH", { timeout: 300_000 }, () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "host-life-"));
  });
  afterEach(() => {
    const left = readdirSync(folder);
    rmSync(folder, { recursive: true });
    // Neither sockets nor their directories.
    expect(left).toEqual([]);
  });

  const start = (...flags: readonly string[]) =>
    startGoHost([...flags, "--", ...pluginCommand("test")], { TMPDIR: folder });
  const reattach = (plugin: object) => startGoHost(["-reattach", JSON.stringify(plugin)], { TMPDIR: folder });

  test("streams in both directions", async () => {
    await using host = await start();
    const inputs = [1, 2, 3].map((input) => toBinary(TestRequestSchema, create(TestRequestSchema, { input })));
    const { messages = [] } = await host.tell("stream", {
      method: "/grpctest.Test/Stream",
      messages: inputs.map((bytes) => Buffer.from(bytes).toString("base64")),
    });
    const outputs = messages.map((data) => fromBinary(TestResponseSchema, Buffer.from(data, "base64")).output);
    expect(outputs).toEqual([2, 3, 4]);
    await expectGracefulEnd(host);
  });

  test("gets an error for a method that is not there and for a request over our limit, and goes on", async () => {
    await using host = await start();
    const unknown = await host.tell("call", { method: "/grpctest.Test/Treble" });
    expect(unknown.error?.code).toBe(Code.Unimplemented);
    const tooLong = { stdout: new Uint8Array(5 * 1024 * 1024) };
    await expect(host.call(printStdio, tooLong)).rejects.toMatchObject({ code: Code.ResourceExhausted });
    expect((await host.call(double, { input: 1 })).output).toBe(2);
    await expectGracefulEnd(host);
  });

  test.each([
    ["1", 1],
    ["7,1,2", 2],
  ])("with versions %s finds the routes of version %i", async (versions, expected) => {
    await using host = await start(`-versions=${versions}`);
    await host.call(printKV, { key: "version", value: { case: "valueInt", value: 0 } });
    await untilPrinted(host, "stdout", `version ${expected}\n`);
    await expectGracefulEnd(host);
  });

  test("hears what our plugin prints byte for byte, in pieces of 1024 bytes at most", async () => {
    await using host = await start();
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256);
    await host.call(printStdio, { stdout: bytes, stderr: Buffer.from("no end of line") });
    await untilPrinted(host, "stdout", bytes);
    await untilPrinted(host, "stderr", "no end of line");
    const lengths = host.events.flatMap(({ event, data = "" }) => (event === "stdout" ? [bytesOf(data).length] : []));
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1024);
    await expectGracefulEnd(host);
  });

  test("hears our plugin's last words", async () => {
    await using host = await start();
    await host.call(printStdio, { stdout: Buffer.from("last words") });
    await expectGracefulEnd(host);
    await untilPrinted(host, "stdout", "last words");
  });

  test("a host that only shuts our plugin down need not kill it", async () => {
    await using host = await start();
    await host.tell("close");
    await untilGone(pidOf(host), socketOf(host));
    await vi.waitFor(async () => expect((await host.tell("exited")).exited).toBe(true), { timeout: 10_000 });
  });

  test("keeps its plugin when the keyboard interrupts them", async () => {
    await using host = await start();
    process.kill(pidOf(host), "SIGINT");
    // A handler that ends the plugin would have begun to: calls after the signal are refused then.
    expect((await host.call(double, { input: 1 })).output).toBe(2);
    expect((await host.call(double, { input: 2 })).output).toBe(4);
    await expectGracefulEnd(host);
  });

  test("a host that dies leaves a plugin that another takes over", async () => {
    await using first = await start();
    // Should a step fail, no one else ends it.
    using _plugin = { [Symbol.dispose]: () => isAlive(pidOf(first)) && process.kill(pidOf(first), "SIGKILL") };
    first.process.kill("SIGKILL");
    await once(first.process, "exit");
    await using second = await reattach(first.started.reattach ?? {});
    // No one reads our plugin's stderr any more.
    for (const value of ["into the void", "once more"]) {
      await second.call(printKV, { key: "error", value: { case: "valueString", value } });
    }
    await second.call(printStdio, { stdout: Buffer.from("to the second") });
    await untilPrinted(second, "stdout", "to the second");
    expect((await second.call(double, { input: 21 })).output).toBe(42);
    await second.tell("kill");
    await untilGone(pidOf(first), socketOf(first));
  });

  test("a host that only tests our plugin leaves it alone in the end", async () => {
    const socket = join(folder, "test.sock");
    const plugin = await startStandalone(pluginCommand("test"), `unix:${socket}`);
    const host = await reattach({
      Protocol: "grpc",
      ProtocolVersion: 1,
      Pid: plugin.pid,
      Test: true,
      Addr: { Network: "unix", String: socket },
    });
    await host.tell("kill");
    expect(isAlive(plugin.pid)).toBe(true);
    expect((await host.call(double, { input: 21 })).output).toBe(42);
    await host[Symbol.asyncDispose]();
    expect(await plugin.stop()).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  describe("automatic TLS", () => {
    test("is agreed on, for calls and for output", async () => {
      await using host = await start("-auto-mtls");
      expect((await host.call(double, { input: 21 })).output).toBe(42);
      await host.call(printStdio, { stdout: Buffer.from("in secret") });
      await untilPrinted(host, "stdout", "in secret");
      await expectGracefulEnd(host);
    });
  });

  describe("health", () => {
    test("is that of the service plugin", async () => {
      await using host = await start();
      expect((await host.tell("ping")).error).toBeUndefined();
      await expectGracefulEnd(host);
    });
  });

  describe("the example bidirectional", () => {
    test("lets our plugin add by a service that it offers for one call", async () => {
      const command = await goProgram("github.com/hashicorp/go-plugin/examples/bidirectional");
      const work = mkdtempSync(join(tmpdir(), "bidirectional-"));
      const run = async (...args: readonly string[]) => {
        const env = { ...process.env, TMPDIR: folder, COUNTER_PLUGIN: `exec ${pluginCommand("counter").join(" ")}` };
        const host = spawn(command, args, { cwd: work, env, stdio: ["ignore", "pipe", "pipe"] });
        const [[code], stdout, stderr] = await Promise.all([once(host, "exit"), text(host.stdout), text(host.stderr)]);
        // On an error this host ends without its plugin.
        const pid = Number(/plugin started: .*\bpid=(\d+)/.exec(stderr)?.[1]);
        if (isAlive(pid)) {
          process.kill(pid, "SIGKILL");
        }
        expect(stderr).not.toContain("failed to exit gracefully");
        return { code, stdout };
      };
      try {
        expect(await run("put", "answer", "20")).toEqual({ code: 0, stdout: "" });
        expect(await run("put", "answer", "22")).toEqual({ code: 0, stdout: "" });
        expect(await run("get", "answer")).toEqual({ code: 0, stdout: "42\n" });
      } finally {
        rmSync(work, { recursive: true });
      }
    });
  });
});

const bytesOf = (base64: string) => Buffer.from(base64, "base64");

function pidOf({ started }: GoHost): number {
  return Number(started.reattach?.Pid);
}

function socketOf({ started }: GoHost): string {
  const address = started.reattach?.Addr;
  if (typeof address !== "object" || address === null || !("String" in address)) {
    throw new Error(`no plugin was started: ${started.error}`);
  }
  return String(address.String);
}

async function untilPrinted(host: GoHost, channel: "stdout" | "stderr", expected: Uint8Array | string) {
  const printed = () =>
    Buffer.concat(host.events.flatMap(({ event, data = "" }) => (event === channel ? [bytesOf(data)] : [])));
  const bytes = Buffer.from(expected);
  await vi.waitFor(() => expect(printed().byteLength).toBeGreaterThanOrEqual(bytes.byteLength), { timeout: 10_000 });
  expect(printed().equals(bytes)).toBe(true);
}

/** Has the host kill our plugin, which ends before it has to. */
async function expectGracefulEnd(host: GoHost) {
  expect((await host.tell("kill")).exited).toBe(true);
  const said = host.events.map(({ record }) => record?.["@message"]);
  expect(said).not.toContain("plugin failed to exit gracefully");
  expect(said).not.toContain("error closing client during Kill");
  expect(isAlive(pidOf(host))).toBe(false);
}
