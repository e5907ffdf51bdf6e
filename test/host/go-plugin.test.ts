import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Interceptor } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { LoadedPlugin, LoadOptions, LogRecord, OutputLine } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { StreamerService } from "../gen/interop/goplugin/examples_pb.ts";
import { Test } from "../gen/interop/goplugin/grpctest_pb.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { expectNoLeftovers, isAlive, leftovers } from "../support/leftovers.ts";

const files = mkdtempSync(join(tmpdir(), "go-plugin-files-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));
expectNoLeftovers();

const handshake = { cookie: { key: "FOREIGN_COOKIE", value: "open sesame" } };
const foreign = (...words: string[]) =>
  ["node", "--conditions=plugboard-source", "test/host/fixtures/foreign-plugin.ts", ...words] as const;

let host: Host;
beforeEach(() => {
  host = new Host({ gracePeriodMs: 5_000, retry: false });
});
afterEach(() => host.close());

/** Loads the foreign plugin, and collects what it prints and logs. */
async function load(words: readonly string[], options: Partial<LoadOptions> = {}) {
  const lines: OutputLine[] = [];
  const records: LogRecord[] = [];
  const loaded = await host.load({
    command: foreign(...words),
    handshake,
    onOutput: (line) => lines.push(line),
    onLog: (record) => records.push(record),
    ...options,
  });
  /** What it has logged after its environment. */
  const logged = () => records.slice(1).map(({ message }) => message);
  return { loaded, lines, records, logged, client: loaded.client(Test) };
}

async function* counting(count: number) {
  for (let input = 1; input <= count; input++) {
    yield { input };
  }
}

/** A call that the plugin does not end by itself. */
function openCall(loaded: LoadedPlugin) {
  const release = Promise.withResolvers<void>();
  const responses = loaded.client(Test).stream(
    (async function* () {
      yield { input: 1 };
      await release.promise;
    })(),
  );
  return { responses: responses[Symbol.asyncIterator](), release: release.resolve };
}

describe("a plugin made for go-plugin's hosts", () => {
  test("is called over gRPC, by all kinds of method", async () => {
    const { loaded, client } = await load([]);
    expect(await client.double({ input: 21 })).toMatchObject({ output: 42 });
    const outputs = (await Array.fromAsync(client.stream(counting(3)))).map(({ output }) => output);
    expect(outputs).toEqual([1, 2, 3]);
    const streamer = loaded.client(StreamerService);
    await streamer.write(
      (async function* () {
        yield { bytesToWrite: new Uint8Array(3) };
        yield { bytesToWrite: new Uint8Array(4) };
      })(),
    );
    expect(await Array.fromAsync(streamer.read({}))).toMatchObject([{ readBytes: new Uint8Array(7) }]);
    await expect(client.panic({ message: "all gone" })).rejects.toMatchObject({
      code: Code.DataLoss,
      rawMessage: "all gone",
    });
    expect(loaded.manifest).toBeUndefined();
    const routes = Object.values(loaded.routes).map((kind) => kind.routes.map(({ name }) => name));
    expect(routes).toEqual(Array(4).fill(["unix+grpc"]));
  });

  test("is refused on TCP without certificates of both sides", async () => {
    await expect(load(["tcp"])).rejects.toMatchObject({
      errorCode: "PB-HANDSHAKE-UNSUPPORTED",
      hint: expect.stringContaining('tls: "auto"'),
    });
  });

  test("gets the environment that they give it, and Plugboard's own", async () => {
    const { records } = await load([], { env: { MY_OWN: "value", PLUGIN_MAX_PORT: "12000" } });
    const env = JSON.parse(records[0]?.message.slice("environment ".length) ?? "");
    expect(env).toMatchObject({
      FOREIGN_COOKIE: "open sesame",
      MY_OWN: "value",
      PLUGIN_MIN_PORT: "10000",
      PLUGIN_MAX_PORT: "12000",
      PLUGIN_UNIX_SOCKET_DIR: expect.stringMatching(/^\//),
      PLUGBOARD_PARENT: "stdin",
    });
    expect(env).not.toHaveProperty("PLUGBOARD_MAGIC_COOKIE");
    expect(env).not.toHaveProperty("PLUGIN_PROTOCOL_VERSIONS");
  });

  test("is told the protocol versions that the caller speaks, and tells the one it has chosen", async () => {
    const { loaded } = await load([], { handshake: { ...handshake, protocolVersions: [7, 2, 1] } });
    expect(loaded.protocolVersion).toBe(2);
    await expect(load([], { handshake: { ...handshake, protocolVersions: [7] } })).rejects.toMatchObject({
      errorCode: "PB-HANDSHAKE-APP-VERSION",
      message: expect.stringContaining("version 1, the host 7"),
    });
  });

  test("a plugin that does not get its cookie is reported with a hint at it", async () => {
    const wrong = { cookie: { ...handshake.cookie, value: "swordfish" } };
    const failure = await load([], { handshake: wrong }).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      errorCode: "PB-HANDSHAKE-EXITED",
      message: expect.stringContaining("| This binary is a plugin."),
      hint: expect.stringContaining("cookie"),
    });
    expect(String(failure)).not.toContain("swordfish");
  });

  test("is not started again with the same wrong cookie, if it is one of Plugboard's", async () => {
    await using patient = new Host();
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const wrong = { cookie: { key: "TALKATIVE", value: "swordfish" } };
    const command = ["node", "--conditions=plugboard-source", "test/plugin-process/fixtures/talkative.ts"] as const;
    await expect(patient.load({ command, handshake: wrong, onOutput() {} })).rejects.toMatchObject({
      errorCode: "PB-HANDSHAKE-EXITED",
      message: expect.stringContaining("PB-COOKIE-MISMATCH: TALKATIVE is set to another value"),
      hint: "Correct what the plugin says is wrong, then load it again.",
    });
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  test.each([
    ["", "value"],
    ["A=B", "value"],
    ["A\0B", "value"],
    ["KEY", ""],
    ["KEY", "a\0b"],
  ])("can't have a cookie with the key %j and the value %j", async (key, value) => {
    const failure = load([], { handshake: { cookie: { key, value } } });
    await expect(failure).rejects.toMatchObject({
      errorCode: "PB-COOKIE-INVALID",
      hint: expect.stringMatching("MagicCookieKey"),
    });
  });

  test.each([[1.5], [-1], [Number.NaN], [1, 1]])(
    "can't be asked for versions that are none: %j, %j",
    async (...versions) => {
      for (const options of [
        { handshake: { ...handshake, protocolVersions: versions } },
        { protocolVersions: versions },
      ]) {
        await expect(load([], options)).rejects.toMatchObject({ errorCode: "PB-PLUGIN-PROTOCOL-VERSIONS" });
      }
    },
  );

  test("takes no configuration, and is not loaded with one", async () => {
    await expect(load([], { config: { colour: "blue" } })).rejects.toMatchObject({
      errorCode: "PB-CONFIG-INVALID",
      message: expect.stringContaining("not made with Plugboard"),
    });
    expect(leftovers()).toEqual([]);
  });

  test("may send messages of more than 4 MiB, up to the limit that is set", async () => {
    const { loaded } = await load([]);
    const streamer = loaded.client(StreamerService);
    await streamer.configure({ chunkSize: 5_000_000n });
    expect((await Array.fromAsync(streamer.read({})))[0]?.readBytes.byteLength).toBe(5_000_000);
    const limited = (await load([], { maxMessageBytes: 1_000 })).loaded.client(StreamerService);
    await limited.configure({ chunkSize: 1_001n });
    await expect(Array.fromAsync(limited.read({}))).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });

  test("a plugin that closes every connection is not taken for started", async () => {
    const socket = join(files, "closing.sock");
    const server = createServer((connection) => connection.destroy());
    await once(server.listen(socket), "listening");
    const command = ["node", "test/host/fixtures/misbehave.ts", "print", `1|1|unix|${socket}|grpc|`] as const;
    await expect(load([], { command })).rejects.toMatchObject({ errorCode: "PB-HANDSHAKE-SOCKET" });
    // It is someone else's.
    expect(existsSync(socket)).toBe(true);
    server.close();
  });
});

describe("the output of a plugin made for go-plugin's hosts", () => {
  test("comes line by line, however it is cut", async () => {
    const { loaded, client, lines } = await load(["stdio", "shuts-down"]);
    const bytes = Buffer.from("ä\nsecond");
    await client.printStdio({ stdout: bytes.subarray(0, 1), stderr: Buffer.from("on stderr\n") });
    await client.printStdio({ stdout: bytes.subarray(1), stderr: new Uint8Array() });
    await vi.waitFor(() => expect(lines.length).toBe(2));
    await loaded.close();
    expect(lines.filter(({ stream }) => stream === "stderr")).toEqual([{ stream: "stderr", text: "on stderr" }]);
    expect(lines.filter(({ stream }) => stream === "stdout").map(({ text }) => text)).toEqual([
      "ä",
      "secondthe last words",
    ]);
  });

  test("is not missed where there is no such service", async () => {
    const { client, lines } = await load([]);
    expect(await client.double({ input: 1 })).toMatchObject({ output: 2 });
    expect(lines).toEqual([]);
  });

  test("on stderr is a log, for who wants one", async () => {
    const { client, records, lines } = await load(["stdio"]);
    const log = (line: string) => client.printKV({ key: "", value: { case: "valueString", value: line } });
    await log('{"@level":"warn","@message":"tea is \\u001b[31mcold","@timestamp":"2026-11-21T10:08:47.347Z","cups":2}');
    await log("[ERROR] no milk");
    await log("plain");
    await vi.waitFor(() => expect(records.length).toBe(4));
    expect(records.slice(1)).toEqual([
      { level: "warn", message: "tea is cold", time: new Date("2026-11-21T10:08:47.347Z"), fields: { cups: 2 } },
      { level: "error", message: "no milk", fields: {} },
      { level: "debug", message: "plain", fields: {} },
    ]);
    expect(lines).toEqual([]);
  });

  test("on stderr is output for who wants no log", async () => {
    const lines: OutputLine[] = [];
    const loaded = await host.load({ command: foreign(), handshake, onOutput: (line) => lines.push(line) });
    await loaded.client(Test).printKV({ value: { case: "valueString", value: "[WARN] as it is" } });
    await vi.waitFor(() => expect(lines.at(-1)).toEqual({ stream: "stderr", text: "[WARN] as it is" }));
  });

  test("goes to the host's stderr, with the log in a form for people, if no one wants it", async () => {
    const written: unknown[] = [];
    const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(text) > 0);
    try {
      const loaded = await host.load({ command: foreign("stdio"), handshake });
      const client = loaded.client(Test);
      await client.printStdio({ stdout: Buffer.from("printed\n") });
      await client.printKV({
        value: { case: "valueString", value: '{"@level":"info","@message":"hi","@module":"m"}' },
      });
      await vi.waitFor(() =>
        expect(written).toEqual(
          expect.arrayContaining([
            expect.stringMatching(/^foreign-plugin\S*: printed\n$/),
            expect.stringMatching(/^foreign-plugin\S*: \[INFO\] {2}m: hi\n$/),
          ]),
        ),
      );
      await loaded.close();
    } finally {
      stderr.mockRestore();
    }
  });
});

describe("a plugin made for go-plugin's hosts ends", () => {
  test("when it is told to shut down, without a signal", async () => {
    const { loaded, logged } = await load(["shuts-down"]);
    await loaded.close();
    expect(await loaded.exited).toEqual({ code: 0, signal: null });
    expect(logged()).toEqual(["Shutdown"]);
    expect(leftovers()).toEqual([]);
  });

  test("when it is told to shut down, also if it breaks the connection instead of a response", async () => {
    const { loaded, logged } = await load(["breaks-off", "stdio"]);
    await host.close();
    expect(await loaded.exited).toEqual({ code: 0, signal: null });
    expect(logged()).toEqual(["Shutdown"]);
  });

  test("by itself, in its own time if the grace period has no end", async () => {
    host = new Host({ gracePeriodMs: Number.POSITIVE_INFINITY });
    const { loaded } = await load(["shuts-down", "lingers"]);
    await loaded.close();
    expect(await loaded.exited).toEqual({ code: 0, signal: null });
  });

  test("by SIGTERM if it can't be told to shut down", async () => {
    const { loaded } = await load([]);
    await loaded.close();
    expect(await loaded.exited).toEqual({ code: null, signal: "SIGTERM" });
  });

  test("by SIGTERM if it does not shut down within the grace period", async () => {
    host = new Host({ gracePeriodMs: 300 });
    const { loaded, logged } = await load(["hangs"]);
    await loaded.close();
    expect(await loaded.exited).toEqual({ code: null, signal: "SIGTERM" });
    expect(logged()).toEqual(["Shutdown"]);
  });

  test("by SIGKILL if nothing else helps", async () => {
    host = new Host({ gracePeriodMs: 300 });
    const { loaded, logged } = await load(["hangs", "ignores-sigterm"]);
    await loaded.close();
    expect(await loaded.exited).toEqual({ code: null, signal: "SIGKILL" });
    expect(logged()).toEqual(["Shutdown", "SIGTERM"]);
  });

  test("with its calls in flight, which are told that they were closed", async () => {
    const { loaded, client } = await load(["shuts-down"]);
    const { responses, release } = openCall(loaded);
    await responses.next();
    const outcome = expect(responses.next()).rejects.toMatchObject({ errorCode: "PB-CONNECTION-CLOSED" });
    await loaded.close();
    await outcome;
    release();
    await expect(client.double({ input: 1 })).rejects.toMatchObject({ code: Code.Canceled });
  });

  test("by itself, and calls in flight are told so", async () => {
    const { loaded } = await load(["shuts-down"]);
    const { responses, release } = openCall(loaded);
    await responses.next();
    const outcome = expect(responses.next()).rejects.toMatchObject({ errorCode: "PB-PLUGIN-EXITED" });
    process.kill(loaded.pid, "SIGKILL");
    await outcome;
    release();
    await loaded.close();
    expect(leftovers()).toEqual([]);
  });

  test("without leaving a socket, wherever it put it", async () => {
    const socket = join(files, "left.sock");
    const { loaded } = await load([], { env: { FOREIGN_SOCKET: socket } });
    expect(existsSync(socket)).toBe(true);
    await loaded.close();
    expect(existsSync(socket)).toBe(false);
    const refused = load([], { env: { FOREIGN_SOCKET: socket }, handshake: { ...handshake, protocolVersions: [9] } });
    await expect(refused).rejects.toMatchObject({ errorCode: "PB-HANDSHAKE-APP-VERSION" });
    expect(existsSync(socket)).toBe(false);
  });
});

describe("a plugin of Plugboard that was made for go-plugin's hosts, too,", () => {
  const command = ["node", "--conditions=plugboard-source", "test/host/fixtures/calls-back.ts"] as const;
  const own = { cookie: { key: "CALLS_BACK", value: "yes" } };

  test.each<[string, Partial<LoadOptions>]>([
    ["without TLS", {}],
    ["with TLS", { tls: "auto" }],
  ])("has a broker if it is loaded as those do, %s", async (_, options) => {
    const { loaded, lines, records } = await load([], { command, handshake: own, ...options });
    await using served = await loaded.broker?.serve((router) =>
      router.service(BehaviourService, { echo: ({ text }) => ({ text: `I got ${text}` }) }),
    );
    const id = String(served?.id);
    expect(await loaded.client(BehaviourService).echo({ text: id })).toMatchObject({
      text: "the host said: I got version 2",
    });
    expect(loaded.manifest?.name).toBe("calls-back");
    await loaded.close();
    expect(await loaded.exited).toEqual({ code: 0, signal: null });
    expect(lines).toEqual([{ stream: "stdout", text: "printed" }]);
    expect(records).toMatchObject([{ level: "warn", message: `called with ${id}`, module: "calls-back" }]);
  });

  test("has none if it is loaded for another protocol, or as any plugin of Plugboard", async () => {
    for (const options of [{ handshake: own, require: { protocols: ["ttrpc"] } }, {}] as const) {
      const loaded = await host.load({ command, onOutput() {}, ...options });
      expect(loaded.broker).toBeUndefined();
      expect(await loaded.client(BehaviourService).echo({ text: "1" })).toMatchObject({ text: "no broker" });
      expect(loaded.routes.unary.routes[0]?.name).toBe("unix+ttrpc");
    }
  });
});

test("a caller's interceptors see its own calls, and nothing of what host and plugin have to tell each other", async () => {
  const seen: string[] = [];
  const note: Interceptor = (next) => (request) => {
    seen.push(`${request.service.typeName}/${request.method.name}`);
    return next(request);
  };
  const { loaded, client } = await load(["stdio", "shuts-down"], { interceptors: [note] });
  await client.double({ input: 1 });
  await loaded.close();
  expect(seen).toEqual(["plugboard.plugin.v1.PluginService/Describe", "grpctest.Test/Double"]);
  expect(isAlive(loaded.pid)).toBe(false);
});
