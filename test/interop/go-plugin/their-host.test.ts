import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { PingPong, PongResponseSchema, Test } from "../../gen/interop/goplugin/grpctest_pb.ts";
import { startStandalone } from "../../support/standalone.ts";
import { startGoHost } from "./go-host.ts";
import { goProgram, lacksGo } from "./go-programs.ts";

const flags = ["--conditions=plugboard-source"] as const;
const script = (name: string) => join(import.meta.dirname, "plugins", `${name}.ts`);
const command = (name: string) => [process.execPath, ...flags, script(name)] as const;
const example = (path: string) => goProgram(`github.com/hashicorp/go-plugin/examples/${path}`);

describe.skipIf(lacksGo)("hosts written with go-plugin, for which go has to be on PATH", { timeout: 300_000 }, () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "their-host-"));
  });
  afterEach(() => {
    // A plugin that had been left would still have its socket here.
    expect(readdirSync(folder).filter((name) => name.startsWith("plugboard-"))).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  /** Runs one of go-plugin's own hosts to its end. */
  async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    const options = { cwd: folder, env: { ...process.env, TMPDIR: folder, ...env } };
    return promisify(execFile)(program, args, options).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  }

  test("the example grpc keeps a value with our plugin, and tells its errors", async () => {
    const host = await example("grpc");
    const env = { KV_PROTO: "grpc", KV_PLUGIN: command("kv").join(" ") };
    expect(await run(host, ["put", "hello", "world"], env)).toMatchObject({ code: 0, stdout: "" });
    expect(await run(host, ["get", "hello"], env)).toMatchObject({
      code: 0,
      stdout: "world\nwritten by version 1\n",
    });
    expect(await run(host, ["get", "nothing"], env)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("code = NotFound desc = there is no nothing"),
    });
  });

  test("the example negotiated agrees with our plugin on a version that both know, or says that there is none", async () => {
    const host = await example("negotiated");
    writeFileSync(join(folder, "kv-plugin"), `#!/bin/sh\nexec ${command("kv").join(" ")}\n`, { mode: 0o755 });
    const env = { KV_PROTO: "grpc", KV_VERSIONS: "1,3" };
    expect(await run(host, ["put", "hello", "world"], env)).toMatchObject({ code: 0 });
    expect(await run(host, ["get", "hello"], env)).toMatchObject({ stdout: "world\nwritten by version 3\n" });
    // It kills what it refuses, which so can't remove its directory.
    const own = mkdtempSync(join(folder, "killed-"));
    expect(await run(host, ["get", "hello"], { KV_PROTO: "netrpc", KV_VERSIONS: "3", TMPDIR: own })).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("Plugin version: 3, Client versions: [2]"),
    });
  });

  test("the example streaming writes and reads by our plugin", async () => {
    const host = await example("streaming");
    const plugin = join(folder, "plugin");
    await promisify(execFile)("mkdir", [plugin]);
    writeFileSync(join(plugin, "streamer"), `#!/bin/sh\nexec ${command("streamer").join(" ")}\n`, { mode: 0o755 });
    const { code, stderr } = await run(host, [join(folder, "file")], {});
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("Lorem ipsum dolor sit amet") });
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("Lorem ipsum dolor sit amet");
  });

  describe("a host with all options", () => {
    const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
      startGoHost([...args, "--", ...command("test")], { TMPDIR: folder, ...env });

    test("calls, and ends our plugin before it would be killed", async () => {
      await using host = await start([]);
      expect(host.started).toMatchObject({ event: "started", version: 1 });
      expect(await host.call(Test.method.double, { input: 21 })).toMatchObject({ output: 42 });
      expect(await host.tell("kill")).toMatchObject({ exited: true });
      const said = host.events.map(({ record }) => record?.["@message"]);
      expect(said).toContain("plugin process exited");
      expect(said).not.toContain("plugin failed to exit gracefully");
    });

    test("learns by a ping that our plugin's health service is off", async () => {
      await using host = await start([], { PLUGIN_HEALTH_SERVICE_ENABLED: "false" });
      expect((await host.tell("ping")).error).toMatchObject({ code: 12 });
    });

    test("gets the highest version that both know", async () => {
      await using host = await start(["-versions", "2,1,7"]);
      expect(host.started.version).toBe(2);
    });

    test("gets what our plugin prints, by the stream for that, and its log at the right levels", async () => {
      await using host = await start([]);
      const stdout = Buffer.from("é".repeat(5_000));
      await host.call(Test.method.printStdio, { stdout, stderr: Buffer.from("to stderr") });
      await vi.waitUntil(() => host.printed("stdout").length === 5_000 && host.printed("stderr") !== "", 10_000);
      expect(host.printed("stdout")).toBe(stdout.toString());
      expect(host.printed("stderr")).toBe("to stderr");
      const text = (valueString: string) => ({ case: "valueString", value: valueString }) as const;
      await host.call(Test.method.printKV, { key: "warn", value: text("watch out") });
      await host.call(Test.method.printKV, { key: "error", value: text("it broke") });
      const logged = (message: string) => host.events.find(({ record }) => record?.["@message"] === message)?.record;
      await vi.waitUntil(() => logged("it broke") !== undefined, 10_000);
      expect(logged("watch out")).toMatchObject({ "@level": "warn", "@module": expect.stringContaining("test") });
      expect(logged("it broke")).toMatchObject({ "@level": "error" });
    });

    test.each([
      ["by sockets of their own", []],
      ["by such sockets with certificates made for it", ["-auto-mtls"]],
      ["within the one connection", ["-multiplex"]],
      ["within the one connection, with certificates made for it", ["-multiplex", "-auto-mtls"]],
    ])("their host and our plugin call each other by the broker, %s", async (_, args) => {
      await using host = await start(args);
      expect(await host.call(Test.method.double, { input: 21 })).toMatchObject({ output: 42 });
      const pong = Buffer.from(toBinary(PongResponseSchema, create(PongResponseSchema, { msg: "pong" })));
      const { broker: offered = 0 } = await host.tell("serve", { data: pong.toString("base64") });
      const { id } = await host.call(Test.method.bidirectional, { id: offered });
      for (let call = 0; call < 3; call++) {
        expect(await host.call(PingPong.method.ping, {}, id)).toMatchObject({ msg: "pong and back" });
      }
      expect(await host.tell("kill")).toMatchObject({ exited: true });
      expect(host.events.map(({ record }) => record?.["@message"])).not.toContain("plugin failed to exit gracefully");
    });

    test("is told of what our plugin keeps to itself in its log, and not by the call", async () => {
      await using host = await start([]);
      await expect(host.call(Test.method.bidirectional, { id: 999 })).rejects.toMatchObject({ code: 13 });
    });

    test("sees our plugin's crash, with its stack, as an error", async () => {
      await using host = await start([]);
      // The response may not get out any more.
      await host.call(Test.method.panic, { message: "all is lost" }).catch(() => undefined);
      await vi.waitUntil(async () => (await host.tell("exited")).exited, 10_000);
      const lines = host.events.map(({ record }) => String(record?.["@message"]));
      expect(lines.some((line) => line.includes("all is lost"))).toBe(true);
    });

    test("is refused by our plugin without the right cookie", async () => {
      await using host = await start(["-cookie", "OTHER=cookie"]);
      expect(host.started.event).toBe("failed");
      expect(host.started.error).toContain("Failed to read any lines from plugin's stdout");
    });

    test("attaches itself to our plugin that stands alone, and ends it", async () => {
      const socket = join(folder, "test.sock");
      const plugin = await startStandalone(command("test"), `unix:${socket}`);
      const reattach = {
        Protocol: "grpc",
        ProtocolVersion: 1,
        Pid: plugin.pid,
        Addr: { Network: "unix", String: socket },
      };
      const host = await startGoHost(["-reattach", JSON.stringify(reattach)]);
      expect(await host.call(Test.method.double, { input: 4 })).toMatchObject({ output: 8 });
      await host[Symbol.asyncDispose]();
      expect(await plugin.exited).toBe(0);
    });
  });
});
