import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Code, createClient } from "@connectrpc/connect";
import type { LoadOptions, LogRecord, OutputLine, TerraformReattach } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { AddHelper, Counter, KV, StreamerService } from "../../gen/interop/goplugin/examples_pb.ts";
import { PingPong, Test } from "../../gen/interop/goplugin/grpctest_pb.ts";
import { expectNoLeftovers, isAlive, leftovers } from "../../support/leftovers.ts";
import { goProgram, lacksGo } from "./go-programs.ts";

const files = mkdtempSync(join(tmpdir(), "their-plugin-files-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));

const examples = "github.com/hashicorp/go-plugin/examples";
const basic = { cookie: { key: "BASIC_PLUGIN", value: "hello" } };
const interop = { cookie: { key: "PLUGBOARD_INTEROP", value: "go" } };

async function* each<T>(values: readonly T[]) {
  yield* values;
}

describe.skipIf(lacksGo)("plugins made with go-plugin, for which go has to be on PATH,", () => {
  let plugin: string;
  beforeAll(async () => {
    plugin = await goProgram("./plugin");
  });
  expectNoLeftovers();

  let host: Host;
  beforeEach(() => {
    host = new Host({ gracePeriodMs: 5_000 });
  });
  afterEach(() => host.close());

  /** Loads our own Go plugin, and collects what it prints and logs. */
  async function load(options: Partial<LoadOptions> = {}) {
    const lines: OutputLine[] = [];
    const records: LogRecord[] = [];
    const loaded = await host.load({
      command: [plugin],
      handshake: { ...interop, protocolVersions: [1] },
      onOutput: (line) => lines.push(line),
      onLog: (record) => records.push(record),
      ...options,
    });
    return { loaded, lines, records, client: loaded.client(Test) };
  }

  describe("the examples:", () => {
    const quiet = { onOutput() {}, onLog() {}, cwd: files };

    test("grpc", { timeout: 300_000 }, async () => {
      const command = [await goProgram(`${examples}/grpc/plugin-go-grpc`)] as const;
      const loaded = await host.load({ command, handshake: basic, ...quiet });
      const kv = loaded.client(KV);
      await kv.put({ key: "hello", value: Buffer.from("world") });
      const { value } = await kv.get({ key: "hello" });
      expect(Buffer.from(value).toString()).toBe("world\n\nWritten from plugin-go-grpc");
      await expect(kv.get({ key: "missing" })).rejects.toMatchObject({
        code: Code.Unknown,
        rawMessage: "open kv_missing: no such file or directory",
      });
      await loaded.close();
      expect(await loaded.exited).toEqual({ code: 0, signal: null });
    });

    test("grpc, in the version that speaks net/rpc, which is refused", { timeout: 300_000 }, async () => {
      const command = [await goProgram(`${examples}/grpc/plugin-go-netrpc`)] as const;
      await expect(host.load({ command, handshake: basic, ...quiet })).rejects.toMatchObject({
        errorCode: "PB-HANDSHAKE-UNSUPPORTED",
        hint: expect.stringContaining("GRPCServer"),
      });
    });

    test("negotiated", { timeout: 300_000 }, async () => {
      const command = [await goProgram(`${examples}/negotiated/plugin-go`)] as const;
      const loaded = await host.load({ command, handshake: { ...basic, protocolVersions: [2, 3] }, ...quiet });
      expect(loaded.protocolVersion).toBe(3);
      const kv = loaded.client(KV);
      await kv.put({ key: "negotiated", value: Buffer.from("world") });
      expect(Buffer.from((await kv.get({ key: "negotiated" })).value).toString()).toContain("plugin version 3");
      // Its version 2 speaks net/rpc, and is its lowest.
      for (const protocolVersions of [[2], []]) {
        const refused = host.load({ command, handshake: { ...basic, protocolVersions }, ...quiet });
        await expect(refused).rejects.toMatchObject({ errorCode: "PB-HANDSHAKE-UNSUPPORTED" });
      }
      const none = host.load({ command, handshake: { ...basic, protocolVersions: [7] }, ...quiet });
      await expect(none).rejects.toMatchObject({ errorCode: "PB-HANDSHAKE-APP-VERSION" });
    });

    test("bidirectional", { timeout: 300_000 }, async () => {
      const command = [await goProgram(`${examples}/bidirectional/plugin-go-grpc`)] as const;
      const loaded = await host.load({ command, handshake: basic, ...quiet });
      const helper = await loaded.broker?.serve((router) =>
        router.service(AddHelper, { sum: ({ a, b }) => ({ r: a + b }) }),
      );
      const counter = loaded.client(Counter);
      await counter.put({ addServer: helper?.id ?? 0, key: "counter", value: 3n });
      await helper?.close();
      expect(await counter.get({ key: "counter" })).toMatchObject({ value: 3n });
    });

    test("streaming, whose client-streaming method ends without a response", { timeout: 300_000 }, async () => {
      const command = [await goProgram(`${examples}/streaming/plugin`), join(files, "streamed")] as const;
      const streamer = (await host.load({ command, handshake: basic, ...quiet })).client(StreamerService);
      await streamer.configure({ path: join(files, "streamed"), chunkSize: 10n });
      const chunks = ["Lorem ipsu", "m dolor si", "t amet"].map((text) => ({ bytesToWrite: Buffer.from(text) }));
      // What Connect says of a response that gRPC requires; the plugin has done its work.
      await expect(streamer.write(each(chunks))).rejects.toMatchObject({
        code: Code.Unimplemented,
        rawMessage: "protocol error: missing response message",
      });
      const read = (await Array.fromAsync(streamer.read({}))).map(({ readBytes }) => Buffer.from(readBytes).toString());
      expect(read).toEqual(["Lorem ipsu", "m dolor si", "t amet"]);
    });
  });

  test.each<[string, Partial<LoadOptions>]>([
    ["", {}],
    [", with certificates made for it", { tls: "auto" }],
  ])("call back what they are offered over the broker, and offer something themselves%s", async (_, options) => {
    const { loaded, client, records } = await load(options);
    const { broker } = loaded;
    if (broker === undefined) {
      throw new Error("there is no broker");
    }
    await using offered = await broker.serve((router) =>
      router.service(PingPong, { ping: () => ({ msg: "from here" }) }),
    );
    const { id } = await client.bidirectional({ id: offered.id });
    await vi.waitFor(() =>
      expect(records.at(-1)).toMatchObject({ message: "called back", fields: { answer: "from here" } }),
    );
    await using dialled = await broker.dial(id);
    expect(await createClient(PingPong, dialled.transport).ping({})).toMatchObject({ msg: "pong" });
  });

  test("are called, over gRPC alone", async () => {
    const { loaded, client } = await load();
    expect(await client.double({ input: 21 })).toMatchObject({ output: 42 });
    const echoed = await Array.fromAsync(client.stream(each([{ input: 1 }, { input: 2 }])));
    expect(echoed.map(({ output }) => output)).toEqual([1, 2]);
    expect(loaded.manifest).toBeUndefined();
    expect(loaded.routes.bidi_streaming.routes.map(({ name }) => name)).toEqual(["unix+grpc"]);
    await expect(client.double({ input: 1 }, { timeoutMs: 0.001 })).rejects.toMatchObject({
      code: Code.DeadlineExceeded,
    });
    await expect(loaded.client(KV).get({ key: "a" })).rejects.toMatchObject({ code: Code.Unimplemented });
    await expect(client.printStdio({ stdout: new Uint8Array(5_242_880) })).rejects.toMatchObject({
      code: Code.ResourceExhausted,
      rawMessage: expect.stringContaining("larger than max"),
    });
  });

  test("print, and what they print comes line by line", async () => {
    const { client, lines } = await load();
    const long = "x".repeat(5_000);
    await client.printStdio({ stdout: Buffer.from(`${long}\nä`), stderr: Buffer.from("on stderr\n") });
    await client.printStdio({ stdout: Buffer.from("ö\n") });
    await vi.waitFor(() => expect(lines.length).toBe(3));
    expect(lines.filter(({ stream }) => stream === "stdout").map(({ text }) => text)).toEqual([long, "äö"]);
    expect(lines.filter(({ stream }) => stream === "stderr").map(({ text }) => text)).toEqual(["on stderr"]);
  });

  test("print more than anybody would buffer", async () => {
    const { client, lines } = await load();
    const block = Buffer.from(`${"x".repeat(99)}\n`.repeat(10_000));
    await client.printStdio({ stdout: block });
    await client.printStdio({ stdout: block });
    await vi.waitFor(() => expect(lines.length).toBe(20_000), { timeout: 10_000 });
  });

  test("log, and each record has its level and fields", async () => {
    const { client, records } = await load();
    expect(records[0]).toMatchObject({
      level: "debug",
      message: "plugin address",
      module: "interop",
      time: expect.any(Date),
      fields: { network: "unix" },
    });
    const before = records.length;
    for (const level of ["trace", "debug", "info", "warn", "error"]) {
      await client.printKV({ key: `level:${level}`, value: { case: "valueString", value: `at ${level}` } });
    }
    await client.printKV({ key: "cups", value: { case: "valueInt", value: 3 } });
    await client.printKV({ key: "raw", value: { case: "valueString", value: "[WARN] by hand" } });
    await client.printKV({ key: "raw", value: { case: "valueString", value: "plain" } });
    await vi.waitFor(() => expect(records.length).toBe(before + 8));
    expect(records.slice(before).map(({ level, message }) => `${level}: ${message}`)).toEqual([
      "trace: at trace",
      "debug: at debug",
      "info: at info",
      "warn: at warn",
      "error: at error",
      "info: kv",
      "warn: by hand",
      "debug: plain",
    ]);
    expect(records[before + 5]?.fields).toEqual({ cups: 3 });
  });

  test("panic, and caller and log are told", async () => {
    const { loaded, client, records } = await load();
    await expect(client.panic({ message: "all gone" })).rejects.toMatchObject({
      errorCode: "PB-PLUGIN-EXITED",
      message: expect.stringContaining("panic: all gone"),
    });
    expect(await loaded.exited).toEqual({ code: 2, signal: null });
    const crash = records.slice(records.findIndex(({ message }) => message.startsWith("panic: ")));
    expect(crash.length).toBeGreaterThan(3);
    expect(crash.every(({ level }) => level === "error")).toBe(true);
    await loaded.close();
    expect(leftovers()).toEqual([]);
  });

  test("shut down when they are told to, and have their last word in the log", async () => {
    const { loaded, records } = await load();
    await loaded.close();
    expect(await loaded.exited).toEqual({ code: 0, signal: null });
    expect(records.at(-1)).toMatchObject({ level: "info", message: "served" });
    expect(leftovers()).toEqual([]);
  });

  test("are ended when they stay after shutting down, and leave nothing", async () => {
    host = new Host({ gracePeriodMs: 300 });
    const { loaded } = await load({ env: { INTEROP_LINGER: "1h" } });
    const socket = (loaded.routes.unary.routes[0]?.endpoint.address.text ?? "").slice("unix:".length);
    expect(existsSync(socket)).toBe(true);
    await loaded.close();
    expect(await loaded.exited).toEqual({ code: null, signal: "SIGTERM" });
    expect(isAlive(loaded.pid)).toBe(false);
    expect(existsSync(socket)).toBe(false);
  });

  test("are noticed when they are killed", async () => {
    const { loaded, client } = await load();
    process.kill(loaded.pid, "SIGKILL");
    expect(await loaded.exited).toEqual({ code: null, signal: "SIGKILL" });
    await vi.waitFor(() => expect(client.double({})).rejects.toMatchObject({ errorCode: "PB-PLUGIN-EXITED" }));
  });

  test("are started only if they have the SHA-256 that is expected", async () => {
    const sha256 = createHash("sha256").update(readFileSync(plugin)).digest("hex");
    const { client } = await load({ sha256 });
    expect(await client.double({ input: 1 })).toMatchObject({ output: 2 });
    await expect(load({ sha256: "0".repeat(64) })).rejects.toMatchObject({ errorCode: "PB-LAUNCH-CHECKSUM" });
  });

  test("are refused when their cookie or version is another, or when they print first", async () => {
    const wrong = { cookie: { ...interop.cookie, value: "wrong" } };
    await expect(load({ handshake: wrong })).rejects.toMatchObject({
      errorCode: "PB-HANDSHAKE-EXITED",
      message: expect.stringContaining("This binary is a plugin"),
    });
    const env = { INTEROP_VERSIONS: "2,3" };
    await expect(load({ env })).rejects.toMatchObject({
      errorCode: "PB-HANDSHAKE-APP-VERSION",
      message: expect.stringContaining("version 2, the host 1"),
    });
    const { loaded } = await load({ env, handshake: { ...interop, protocolVersions: [1, 3, 2] } });
    expect(loaded.protocolVersion).toBe(3);
    await expect(load({ env: { INTEROP_PRINT: "welcome" } })).rejects.toMatchObject({
      errorCode: "PB-HANDSHAKE-INVALID",
      message: expect.stringContaining("welcome"),
    });
    await loaded.close();
    expect(leftovers()).toEqual([]);
  });

  test("plugins that run already are reattached to, and go on when they are left", async () => {
    const child = spawn(plugin, [], {
      env: { ...process.env, INTEROP_TEST: "1" },
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const [line] = await once(createInterface({ input: child.stdout }), "line");
      const target: TerraformReattach = JSON.parse(String(line));
      const lines: OutputLine[] = [];
      const first = await host.reattach(target, { onOutput: (each) => lines.push(each) });
      expect(first.pid).toBe(child.pid);
      expect(await first.client(Test).double({ input: 21 })).toMatchObject({ output: 42 });
      await first.client(Test).printStdio({ stdout: Buffer.from("printed\n") });
      await vi.waitFor(() => expect(lines).toEqual([{ stream: "stdout", text: "printed" }]));
      await first.close();
      expect(isAlive(first.pid)).toBe(true);

      const again = await host.reattach({ pid: first.pid, address: `unix:${target.Addr.String}` });
      expect(await again.client(Test).double({ input: 1 })).toMatchObject({ output: 2 });
      const exit = once(child, "exit");
      await again.shutdown();
      expect(await exit).toEqual([0, null]);
      await again.exited;
    } finally {
      child.kill("SIGKILL");
    }
  });
});
