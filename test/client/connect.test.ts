import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { Connection, ConnectOptions, PluginDefinition, Requirements } from "plugboard";
import { connect as connectPortably, definePlugin, explainRoutes, PlugboardError } from "plugboard";
import { connect } from "plugboard/node";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ManifestSchema } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { Carrier, Protocol } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { aborted, behaviourRoutes, startRawServer, startRpcServer, vacantAddress } from "../support/local-server.ts";

async function rejection(promise: Promise<Connection>): Promise<unknown> {
  return promise.then(
    async (connection) => {
      await connection.close();
      throw new Error("it connected");
    },
    (error: unknown) => error,
  );
}

async function refusal(promise: Promise<Connection>): Promise<PlugboardError> {
  const error = await rejection(promise);
  expect(error).toBeInstanceOf(PlugboardError);
  expect((error as PlugboardError).hint).not.toBe("");
  return error as PlugboardError;
}

const overHttp = { protocol: Protocol.CONNECT, carrier: Carrier.HTTP } as const;
const overUnix = { protocol: Protocol.GRPC, carrier: Carrier.UNIX } as const;

function manifest(change: MessageInitShape<typeof ManifestSchema> = {}): MessageInitShape<typeof ManifestSchema> {
  return {
    name: "sample",
    version: "1.0.0",
    protocolVersion: 1,
    protocolVersions: [1],
    endpoints: [overHttp, overUnix],
    ...change,
  };
}

const http = (change?: Parameters<typeof manifest>[0]) =>
  startRpcServer({ place: "http", httpVersion: "1.1", manifest: manifest(change) });
const unix = (change?: Parameters<typeof manifest>[0]) =>
  startRpcServer({ place: "unix", httpVersion: "2", manifest: manifest(change) });
const plugin = (change: Partial<PluginDefinition> = {}) =>
  definePlugin({ name: "sample", version: "1.0.0", routes: behaviourRoutes, ...change });

describe("connect fails with PB-TARGET-UNSUPPORTED", () => {
  test.each<unknown>(["sample", "ftp://host", "unix:", "tcp:host", "tcp:[::::]:4000", {}, null, undefined, 7])(
    "a target of %j is refused",
    async (target) => {
      for (const each of [connect, connectPortably]) {
        expect((await refusal(each(target as string))).errorCode).toBe("PB-TARGET-UNSUPPORTED");
      }
    },
  );

  test("one bad target among good ones fails all, and none is started", async () => {
    const start = vi.fn();
    expect((await refusal(connect([plugin({ start }), "nowhere"]))).errorCode).toBe("PB-TARGET-UNSUPPORTED");
    expect(start).not.toHaveBeenCalled();
  });
});

describe("connect fails with PB-CONNECT-UNREACHABLE", () => {
  test("if nothing listens, with the reasons of every target", async () => {
    const targets = await Promise.all([vacantAddress("unix"), vacantAddress("tcp"), vacantAddress("http")]);
    const error = await refusal(connect(targets));
    expect(error).toMatchObject({ errorCode: "PB-CONNECT-UNREACHABLE", code: Code.Unavailable });
    for (const target of targets) {
      expect(error.message).toMatch(new RegExp(`- [^:]* at ${target}: .*(ENOENT|ECONNREFUSED)`));
    }
    expect(error.message.match(/ENOENT|ECONNREFUSED/g)).toHaveLength(targets.length);
  });

  test("if a target's carrier is not for this connect, with the name of what is missing", async () => {
    const error = await refusal(connectPortably(["unix:/run/sample.sock", "tcp:127.0.0.1:4000"]));
    expect(error.errorCode).toBe("PB-CONNECT-UNREACHABLE");
    expect(error.message).toBe(
      "[unavailable] PB-CONNECT-UNREACHABLE: the plugin can't be reached\n" +
        '- ttrpc, grpc, connect at unix:/run/sample.sock: only connect() of "plugboard/node" dials Unix sockets\n' +
        `- ttrpc, grpc, connect at tcp:127.0.0.1:4000: only connect() of "plugboard/node" dials TCP\n${error.hint}`,
    );
    expect(error.hint).toContain('Import connect from "plugboard/node"');
    expect(error.hint).not.toContain("Check that the plugin runs");
  });

  test("if a service binding is called from elsewhere than a Worker, with what to do instead", async () => {
    const binding = { fetch: () => Promise.reject(new Error("not called")) };
    const error = await refusal(connect(binding));
    expect(error.message).toContain(
      "- connect, grpc-web at the service binding: only a Worker can call a service binding\n",
    );
    expect(error.hint).toContain("URL");
    expect(error.hint).not.toContain("Check that the plugin runs");
  });

  test.each<[string, { require: Requirements; ways: string; reason: string }]>([
    [
      "encryption",
      {
        require: { encryption: true },
        ways: "ttrpc, grpc (HTTP/2), connect (HTTP/2), connect (HTTP/1.1)",
        reason: "not encrypted, and the caller requires encryption",
      },
    ],
    [
      "a protocol",
      { require: { protocols: ["grpc-web"] }, ways: "ttrpc, grpc, connect", reason: "the caller allows only grpc-web" },
    ],
    [
      "a version of HTTP",
      {
        require: { protocols: ["grpc"], httpVersion: "1.1" },
        ways: "grpc (HTTP/2)",
        reason: "the caller allows only HTTP/1.1",
      },
    ],
  ])("if the caller requires %s that nothing has, with that for a reason", async (_what, { require, ways, reason }) => {
    await using server = await unix();
    const error = await refusal(connect(server.address, { require }));
    expect(error.errorCode).toBe("PB-CONNECT-UNREACHABLE");
    expect(error.message).toContain(`- ${ways} at ${server.address}: ${reason}`);
    expect(error.hint).toContain("require");
    expect(error.hint).not.toContain("Check that the plugin runs");
  });

  test("if what the caller requires holds for no endpoint in the manifest", async () => {
    await using server = await unix({ endpoints: [{ ...overUnix, protocol: Protocol.CONNECT }] });
    const error = await refusal(connect(server.address, { require: { protocols: ["grpc"] } }));
    expect(error.errorCode).toBe("PB-CONNECT-UNREACHABLE");
    expect(error.message).toContain(`connect at ${server.address}: the caller allows only grpc`);
    expect(error.hint).toContain("require");
  });

  test("if nothing works, with each endpoint's own reason, and a hint for each kind of them", async () => {
    const vacant = await vacantAddress("unix");
    const error = await refusal(connect(vacant, { require: { protocols: ["grpc"] } }));
    expect(error.message).toMatch(new RegExp(`\\n- grpc at ${vacant}: [^\n]*ENOENT`));
    expect(error.message).toContain(`\n- ttrpc, connect at ${vacant}: the caller allows only grpc\n`);
    expect(error.hint).toContain("Check that the plugin runs");
    expect(error.hint).toContain("require");
  });

  test("if the manifest names only what can't be dialed here", async () => {
    await using server = await unix({ endpoints: [{ ...overUnix, protocol: Protocol.GRPC_WEB }] });
    const error = await refusal(connect(server.address));
    expect(error.message).toContain(
      `grpc-web at ${server.address}: over Unix sockets connect() speaks ttrpc, gRPC, Connect, not gRPC-Web\n`,
    );
    expect(error.hint).toContain("Connect");
    expect(error.hint).not.toContain("plugboard/node");
  });

  test("if it is given no target at all", async () => {
    const error = await refusal(connect([]));
    expect(error).toMatchObject({ errorCode: "PB-CONNECT-UNREACHABLE", hint: "Give connect() at least one target." });
  });
});

describe("connect fails with PB-CONNECT-VERSION", () => {
  test("if a server and the caller share no protocol version, and says which each speaks", async () => {
    await using server = await http({ protocolVersions: [1, 2] });
    const error = await refusal(connect(server.address, { protocolVersions: [3, 4] }));
    expect(error).toMatchObject({ errorCode: "PB-CONNECT-VERSION", code: Code.FailedPrecondition });
    expect(error.message).toContain("plugin sample speaks protocol version 1, 2, the caller 3, 4");
  });

  test("if a plugin in this process and the caller share none, and leaves it stopped", async () => {
    const events: string[] = [];
    const target = plugin({
      protocolVersions: [1, 2],
      start: () => void events.push("start"),
      stop: () => void events.push("stop"),
    });
    expect((await refusal(connect(target, { protocolVersions: [3] }))).errorCode).toBe("PB-CONNECT-VERSION");
    expect(events.filter((each) => each === "stop")).toHaveLength(events.length / 2);
  });

  test("unless they share one: then the highest is in force", async () => {
    await using connection = await connect(plugin({ protocolVersions: [1, 2, 3] }), { protocolVersions: [1, 2] });
    expect(connection.manifest?.protocolVersion).toBe(2);
  });

  test("unless another target has the right one: then the wrong one is skipped with the reason", async () => {
    await using old = await unix();
    await using current = await http({ protocolVersions: [2], protocolVersion: 2 });
    for (const targets of [
      [old.address, current.address],
      [current.address, old.address],
    ]) {
      await using connection = await connect(targets, { protocolVersions: [2] });
      expect(connection.routes.unary.routes.map((route) => route.endpoint.address.text)).toEqual([current.address]);
      expect(explainRoutes(connection.routes)).toContain(
        `grpc at ${old.address}: it speaks protocol version 1, the caller 2`,
      );
      expect(connection.manifest?.protocolVersion).toBe(2);
    }
  });
});

describe("connect to several targets", () => {
  test("takes the cheapest route over all of them, whatever their order", async () => {
    await using remote = await http();
    await using local = await unix();
    const names = async (targets: Parameters<typeof connect>[0]) => {
      await using connection = await connect(targets);
      return connection.routes.unary.routes.map((route) => route.name);
    };
    expect(await names([remote.address, local.address])).toEqual(["unix+grpc", "http+connect"]);
    expect(await names([local.address, remote.address])).toEqual(["unix+grpc", "http+connect"]);
    expect(await names([remote.address, local.address, plugin()])).toEqual(["memory", "unix+grpc", "http+connect"]);
  });

  test("connects though some of them can't be reached, and keeps the reasons", async () => {
    const vacant = await vacantAddress("unix");
    await using silent = await startRawServer("tcp", () => undefined);
    await using server = await http();
    await using connection = await connect([vacant, silent.address, server.address], { dialTimeoutMs: 1_000 });
    expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
    const explained = explainRoutes(connection.routes);
    expect(explained).toMatch(new RegExp(`skipped: ttrpc, grpc, connect at ${vacant}: .*ENOENT`));
    expect(explained).toContain(`skipped: ttrpc, grpc, connect at ${silent.address}: no response within 1000 ms`);
  });

  test("skips another plugin, with the reason", async () => {
    await using right = await http();
    await using wrong = await unix({ name: "other" });
    await using connection = await connect([right.address, wrong.address]);
    expect(connection.routes.unary.routes.map((route) => route.name)).toEqual(["http+connect"]);
    expect(explainRoutes(connection.routes)).toContain(`grpc at ${wrong.address}: it is plugin other, not sample`);
    await connection.client(BehaviourService).echo({});
    expect([right.calls, wrong.calls]).toEqual([["Echo"], []]);
  });

  test("stops the others if one that it starts in this process fails to start", async () => {
    const stop = vi.fn();
    const failing = plugin({ start: () => Promise.reject(new Error("no database")) });
    const error = await refusal(connect([plugin({ stop }), failing, plugin({ stop })]));
    expect(error.errorCode).toBe("PB-PLUGIN-START");
    expect(error.message).toContain("no database");
    expect(stop).toHaveBeenCalledTimes(2);
  });

  test.each<[string, { change: Partial<PluginDefinition>; options: ConnectOptions; errorCode: string }]>([
    [
      "that another does not start",
      { change: { start: () => Promise.reject(new Error("no database")) }, options: {}, errorCode: "PB-PLUGIN-START" },
    ],
    ["that no version is common", { change: {}, options: { protocolVersions: [7] }, errorCode: "PB-CONNECT-VERSION" }],
  ])("says %s, though stopping the first throws", async (_what, { change, options, errorCode }) => {
    const unwilling = plugin({
      stop() {
        throw new Error("won't stop");
      },
    });
    expect((await refusal(connect([unwilling, plugin(change)], options))).errorCode).toBe(errorCode);
  });

  test("has stopped all of them when it fails, though stopping one throws", async () => {
    const events: string[] = [];
    const unwilling = plugin({
      stop() {
        throw new Error("won't stop");
      },
    });
    const slow = plugin({
      async stop() {
        await new Promise((resolve) => setImmediate(resolve));
        events.push("stopped");
      },
    });
    await refusal(connect([unwilling, slow], { protocolVersions: [7] }));
    expect(events).toEqual(["stopped"]);
    const connection = await connect([unwilling, slow]);
    await expect(connection.close()).rejects.toThrow("won't stop");
    expect(events).toEqual(["stopped", "stopped"]);
  });

  test("stops those that were slower to start than another failed", async () => {
    const failed = Promise.withResolvers<void>();
    const stop = vi.fn();
    const slow = plugin({ start: () => failed.promise, stop });
    const failing = plugin({
      start() {
        setTimeout(failed.resolve, 0);
        throw new Error("no database");
      },
    });
    await refusal(connect([slow, failing]));
    expect(stop).toHaveBeenCalledOnce();
  });

  test("stops all of them in the end, even if the first one's stop throws", async () => {
    const stop = vi.fn();
    const unwilling = plugin({
      name: "sample",
      stop() {
        throw new Error("won't stop");
      },
    });
    const connection = await connect([unwilling, plugin({ stop })]);
    await connection.close().catch(() => undefined);
    expect(stop).toHaveBeenCalledOnce();
  });
});

describe("fetch", () => {
  test.each([
    ["plugboard/node", connect],
    ["plugboard", connectPortably],
  ])(
    "of the caller carries every call to an http: or https: address, by the connect of %s",
    async (_from, connectBy) => {
      await using server = await http();
      const asked: string[] = [];
      const fetch: typeof globalThis.fetch = (input, init) => {
        const { protocol, pathname, search } = new URL(String(input));
        asked.push(`${protocol}${pathname.split("/").at(-1)}`);
        return globalThis.fetch(server.address + pathname + search, init);
      };
      for (const scheme of ["http:", "https:"]) {
        await using connection = await connectBy(`${scheme}//plugin.example`, { fetch });
        expect(await connection.client(BehaviourService).inspect({})).toMatchObject({ protocol: "connect" });
      }
      expect(asked).toEqual(["http:Describe", "http:Inspect", "https:Describe", "https:Inspect"]);
    },
  );

  test("of the caller leaves Unix sockets to Node", async () => {
    const fetch = vi.fn<typeof globalThis.fetch>();
    await using server = await unix();
    await using connection = await connect(server.address, { fetch });
    expect(connection.routes.unary.routes.map((route) => route.name)).toEqual(["unix+grpc"]);
    await connection.client(BehaviourService).inspect({});
    expect(fetch).not.toHaveBeenCalled();
  });
});

describe("giving up by signal", () => {
  const reason = new Error("changed my mind");

  test("does not begin if the signal is aborted already", async () => {
    const start = vi.fn();
    expect(await rejection(connect(plugin({ start }), { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(start).not.toHaveBeenCalled();
  });

  test.each(["http", "tcp", "unix"] as const)("leaves no connection to a silent server at %s", async (place) => {
    const controller = new AbortController();
    await using server = await startRawServer(place, () => controller.abort(reason));
    expect(await rejection(connect(server.address, { signal: controller.signal }))).toBe(reason);
    await vi.waitFor(() => expect(server.sockets.size).toBe(0));
  });

  test("leaves no connection of the portable connect, either", async () => {
    const controller = new AbortController();
    await using server = await startRawServer("http", () => controller.abort(reason));
    expect(await rejection(connectPortably(server.address, { signal: controller.signal }))).toBe(reason);
    await vi.waitFor(() => expect(server.sockets.size).toBe(0));
  });

  test("stops the plugins that were started in this process, and closes what was reached", async () => {
    const controller = new AbortController();
    const stop = vi.fn();
    await using reached = await unix();
    await using silent = await startRawServer("http", () => undefined);
    const connecting = rejection(connect([plugin({ stop }), reached.address, silent.address], controller));
    await vi.waitFor(() => expect([reached.sockets.size, silent.sockets.size]).toEqual([1, 1]));
    controller.abort(reason);
    expect(await connecting).toBe(reason);
    expect(stop).toHaveBeenCalledOnce();
    await vi.waitFor(() => expect([reached.sockets.size, silent.sockets.size]).toEqual([0, 0]));
  });

  test("does not wait for a plugin whose start does not end, and aborts its signal", async () => {
    const controller = new AbortController();
    let seen: AbortSignal | undefined;
    const starting = Promise.withResolvers<void>();
    const target = plugin({
      async start({ signal }) {
        seen = signal;
        starting.resolve();
        await aborted(signal);
      },
    });
    const connecting = rejection(connect(target, { signal: controller.signal }));
    await starting.promise;
    controller.abort(reason);
    expect(await connecting).toBe(reason);
    expect(seen?.aborted).toBe(true);
  }, 5_000);
});

describe("maxMessageBytes", () => {
  // Connect's adapter for servers prints what it can't send to a client that has refused it.
  beforeEach(() => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const servers = [
    ["http", "1.1"],
    ["tcp", "2"],
    ["tcp", "1.1"],
    ["unix", "2"],
  ] as const;
  const endpoints = [overHttp, overUnix, { ...overUnix, carrier: Carrier.TCP }, { ...overHttp, carrier: Carrier.TCP }];

  test.each(servers)(
    "refuses a larger response over %s, HTTP/%s, and takes one that just fits",
    async (place, version) => {
      await using server = await startRpcServer({ place, httpVersion: version, manifest: manifest({ endpoints }) });
      const protocols = version === "1.1" ? { protocols: ["connect"] as const, httpVersion: version } : {};
      await using connection = await connect(server.address, { maxMessageBytes: 2000, require: protocols });
      await expectLimit(connection);
    },
  );

  test("holds for the portable connect", async () => {
    await using server = await http();
    await using connection = await connectPortably(server.address, { maxMessageBytes: 2000 });
    await expectLimit(connection);
  });

  async function expectLimit(connection: Connection) {
    const client = connection.client(BehaviourService);
    // Tag and length of a field take three bytes here.
    expect((await client.echo({ data: new Uint8Array(1997) })).data).toHaveLength(1997);
    const tooLarge = { code: Code.ResourceExhausted };
    await expect(client.echo({ data: new Uint8Array(1998) })).rejects.toMatchObject(tooLarge);
    await expect(client.echo({ data: new Uint8Array(1_000_000) })).rejects.toMatchObject(tooLarge);
    await expect(Array.fromAsync(client.produce({ count: 2, size: 2000 }))).rejects.toMatchObject(tooLarge);
    expect(await Array.fromAsync(client.produce({ count: 2, size: 1000 }))).toHaveLength(2);
  }

  test("refuses a small response that unpacks into a large one", async () => {
    const repetitive = (router: ConnectRouter) =>
      router.rpc(BehaviourService.method.echo, () => ({ text: "a".repeat(10_000_000) }));
    await using server = await startRpcServer({
      place: "http",
      httpVersion: "1.1",
      manifest: manifest(),
      routes: repetitive,
    });
    for (const each of [connect, connectPortably]) {
      await using connection = await each(server.address, { maxMessageBytes: 100_000 });
      await expect(connection.client(BehaviourService).echo({})).rejects.toMatchObject({
        code: Code.ResourceExhausted,
      });
    }
  });
});
