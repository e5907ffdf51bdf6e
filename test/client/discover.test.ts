import { execFile } from "node:child_process";
import type { Socket } from "node:net";
import { promisify } from "node:util";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { connect as connectPortably, explainRoutes, PlugboardError, PluginService } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test } from "vitest";
import type { EndpointSchema, ManifestSchema } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { Carrier, Protocol } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { RequestSchema, ResponseSchema } from "../../src/gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { frameType } from "../../src/ttrpc/wire/frame.ts";
import { BehaviourService, InspectResponseSchema } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import type { Place, RpcServerOptions } from "../support/local-server.ts";
import { behaviourRoutes, startRawServer, startRpcServer } from "../support/local-server.ts";
import { rawPeer } from "../support/ttrpc/raw-peer.ts";

async function refusal(promise: Promise<Connection>): Promise<PlugboardError> {
  const error = await promise.then(
    async (connection) => {
      await connection.close();
      throw new Error("it connected");
    },
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PlugboardError);
  return error as PlugboardError;
}

describe("a server without PluginService, which others wrote,", () => {
  const servers: readonly [string, string, RpcServerOptions][] = [
    ["Connect over HTTP/1.1 at an http: URL", "connect", { place: "http", httpVersion: "1.1" }],
    ["Connect alone at an http: URL", "connect", { place: "http", httpVersion: "1.1", protocols: ["connect"] }],
    ["Connect over HTTP/1.1 at a Unix socket", "connect", { place: "unix", httpVersion: "1.1" }],
    ["Connect over HTTP/1.1 at a TCP address", "connect", { place: "tcp", httpVersion: "1.1" }],
    [
      "Connect alone over HTTP/2 at a TCP address",
      "connect",
      { place: "tcp", httpVersion: "2", protocols: ["connect"] },
    ],
    [
      "Connect alone over HTTP/2 at a Unix socket",
      "connect",
      { place: "unix", httpVersion: "2", protocols: ["connect"] },
    ],
  ];

  test.each(servers)("is reached: %s", async (_what, protocol, options) => {
    await using server = await startRpcServer(options);
    await using connection = await connect(server.address);
    expect(connection.manifest).toBeUndefined();
    await expectToWork(connection, protocol);
  });

  test.each([
    ["gRPC-Web alone at an http: URL", "grpc-web", { place: "http", httpVersion: "1.1", protocols: ["grpc-web"] }],
    ["gRPC alone at a TCP address", "grpc", { place: "tcp", httpVersion: "2", protocols: ["grpc"] }],
    ["gRPC alone at a Unix socket", "grpc", { place: "unix", httpVersion: "2", protocols: ["grpc"] }],
  ] as const)("is reached when the caller names the protocol: %s", async (_what, protocol, options) => {
    await using server = await startRpcServer(options);
    await using connection = await connect(server.address, { require: { protocols: [protocol] } });
    await expectToWork(connection, protocol);
  });

  test.each(servers.filter(([, , { place }]) => place === "http"))(
    "is reached by the portable connect: %s",
    async (_what, protocol, options) => {
      await using server = await startRpcServer(options);
      await using connection = await connectPortably(server.address);
      expect(connection.manifest).toBeUndefined();
      await expectToWork(connection, protocol);
    },
  );

  test.each<Place>(["unix", "tcp"])(
    "a server that speaks HTTP/1.1 alone has no route over HTTP/2: at %s",
    async (place) => {
      await using server = await startRpcServer({ place, httpVersion: "1.1" });
      await using connection = await connect(server.address, { fallback: false });
      expectHttp1Alone(connection, place, server.address, [`ttrpc at ${server.address}`]);
      await expectToWork(connection, "connect");
    },
  );

  test("that speaks HTTP/1.1 alone has no route over HTTP/2, whatever its manifest says", async () => {
    const endpoints = [Protocol.GRPC, Protocol.CONNECT].map((protocol) => ({ protocol, carrier: Carrier.UNIX }));
    const manifest = { name: "behaviour", version: "1.0.0", protocolVersion: 1, protocolVersions: [1], endpoints };
    await using server = await startRpcServer({ place: "unix", httpVersion: "1.1", manifest });
    await using connection = await connect(server.address, { fallback: false });
    expect(connection.manifest?.name).toBe("behaviour");
    expectHttp1Alone(connection, "unix", server.address);
    await expectToWork(connection, "connect");
  });

  function expectHttp1Alone(connection: Connection, place: Place, address: string, guessed: readonly string[] = []) {
    for (const kind of ["unary", "server_streaming", "client_streaming"] as const) {
      expect(connection.routes[kind].routes.map((route) => route.name)).toEqual([`${place}+connect (HTTP/1.1)`]);
    }
    expect(connection.routes.bidi_streaming.routes).toEqual([]);
    expect(connection.routes.unary.rejected.map((each) => each.endpoint)).toEqual([
      ...guessed,
      `grpc at ${address}`,
      `connect at ${address} (HTTP/2)`,
    ]);
  }

  async function expectToWork(connection: Connection, protocol: string) {
    const client = connection.client(BehaviourService);
    expect(await client.inspect({})).toMatchObject({ protocol });
    expect(await Array.fromAsync(client.produce({ count: 3 }))).toMatchObject([
      { index: 0 },
      { index: 1 },
      { index: 2 },
    ]);
    async function* requests() {
      yield { data: Uint8Array.of(1) };
      yield { data: Uint8Array.of(2) };
    }
    expect(await client.collect(requests())).toMatchObject({ messages: 2, bytes: 12n });
  }
});

describe("a server that refuses the first request with a code in its own protocol is one that others wrote", () => {
  const codes = Object.values(Code).filter((code) => typeof code === "number");
  const names = codes.map((code): [string, Code] => [Code[code] ?? "", code]);
  const asksWhatItIs = ({ url }: { readonly url?: string | undefined }) => url?.includes("/Describe") === true;

  type Replies = (code: Code) => RpcServerOptions;
  const grpc: Replies = (code) => ({
    place: "tcp",
    httpVersion: "2",
    protocols: ["grpc"],
    intercept(request, response) {
      if (asksWhatItIs(request) && request.headers["content-type"]?.startsWith("application/grpc") === true) {
        response.writeHead(200, { "Content-Type": "application/grpc", "Grpc-Status": code }).end();
        return true;
      }
      return false;
    },
  });
  const grpcWeb: Replies = (code) => ({
    place: "http",
    httpVersion: "1.1",
    protocols: ["grpc-web"],
    intercept(request, response) {
      if (asksWhatItIs(request) && request.method === "POST") {
        const trailer = Buffer.from(`grpc-status: ${code}\r\n`);
        response.writeHead(200, { "Content-Type": "application/grpc-web+proto" });
        response.end(Buffer.concat([Buffer.of(0x80, 0, 0, 0, trailer.length), trailer]));
        return true;
      }
      return false;
    },
  });
  const connectAt =
    (place: Place): Replies =>
    (code) => ({
      place,
      httpVersion: "1.1",
      protocols: ["connect"],
      routes(router) {
        behaviourRoutes(router);
        router.service(PluginService, {
          describe() {
            throw new ConnectError("I don't know that", code);
          },
        });
      },
    });

  describe.each<[string, "grpc" | "grpc-web" | "connect", Replies]>([
    ["gRPC", "grpc", grpc],
    ["gRPC-Web", "grpc-web", grpcWeb],
    ["Connect at a URL", "connect", connectAt("http")],
    ["Connect at a Unix socket", "connect", connectAt("unix")],
  ])("%s:", (_what, protocol, replies) => {
    test.each(names)("%s", async (_name, code) => {
      await using server = await startRpcServer(replies(code));
      for (const options of [{}, { require: { protocols: [protocol] } }]) {
        await using connection = await connect(server.address, options);
        expect(connection.manifest).toBeUndefined();
        expect(await connection.client(BehaviourService).inspect({})).toMatchObject({ protocol });
      }
    });
  });

  test.each(names)("ttrpc: %s", async (_name, code) => {
    await using server = await startRawServer("unix", (socket) => {
      const peer = rawPeer(socket);
      void (async () => {
        for (let frame = await peer.next(); frame !== undefined; frame = await peer.next()) {
          const { service } = fromBinary(RequestSchema, frame.data ?? new Uint8Array());
          const reply =
            service === PluginService.typeName
              ? { status: { code, message: "service does not exist" } }
              : { payload: toBinary(InspectResponseSchema, create(InspectResponseSchema, { protocol: "ttrpc" })) };
          const data = toBinary(ResponseSchema, create(ResponseSchema, reply));
          peer.send({ streamId: frame.streamId, type: frameType.response, data });
        }
      })();
    });
    for (const options of [{}, { require: { protocols: ["ttrpc"] as const } }]) {
      await using connection = await connect(server.address, options);
      expect(await connection.client(BehaviourService).inspect({})).toMatchObject({ protocol: "ttrpc" });
    }
  });

  test("the first call doesn't go into a connection that it has ended without saying so", async () => {
    const asked = new Set<unknown>();
    await using server = await startRpcServer({
      place: "http",
      httpVersion: "1.1",
      protocols: ["grpc-web"],
      intercept(request, response) {
        if (asked.has(request.socket)) {
          request.socket.destroy();
          return true;
        }
        if (asksWhatItIs(request)) {
          asked.add(request.socket);
          response.writeHead(200, { "Content-Type": "application/grpc-web+proto", "Grpc-Status": 12 }).end();
          return true;
        }
        return false;
      },
    });
    for (const options of [{}, { require: { protocols: ["grpc-web"] as const } }]) {
      await using connection = await connect(server.address, options);
      expect(await connection.client(BehaviourService).inspect({})).toMatchObject({ protocol: "grpc-web" });
    }
  });
});

test("a server behind a proxy that lets in only whom it knows is told as such, not as one that is away", async () => {
  await using server = await startRpcServer({
    place: "http",
    httpVersion: "1.1",
    intercept(_request, response) {
      response.writeHead(401, { "Content-Type": "text/html" }).end("<h1>Who are you?</h1>");
      return true;
    },
  });
  for (const each of [connect, connectPortably]) {
    const error = await refusal(each(server.address));
    expect(error).toMatchObject({ errorCode: "PB-CALLER-REFUSED", code: Code.Unauthenticated });
    expect(error.message).toContain(`${server.address} responds with HTTP 401`);
    expect(error.hint).toContain("`token`");
  }
});

describe("the caller's process goes on", () => {
  /** In a process of its own, as what is to be seen here would end this one. */
  const callFrom = async ({ address }: { readonly address: string }) => {
    const args = ["--conditions=plugboard-source", "test/client/fixtures/call.ts", address];
    return (await promisify(execFile)(process.execPath, args)).stdout;
  };

  test.each<Place>(["unix", "tcp"])("when a server at %s speaks HTTP/1.1 alone", async (place) => {
    await using server = await startRpcServer({ place, httpVersion: "1.1" });
    expect(await callFrom(server)).toBe("connect,connect,connect");
  });

  test("when a server resets the connection, and the next call comes at once", async () => {
    await using server = await startRpcServer({
      place: "tcp",
      httpVersion: "2",
      routes(router, { sockets }) {
        router.rpc(BehaviourService.method.inspect, () => {
          for (const socket of sockets) {
            socket.resetAndDestroy();
          }
          return {};
        });
      },
    });
    const outcomes = await callFrom(server);
    expect(outcomes.split(",")).toHaveLength(3);
    expect(outcomes).not.toContain("grpc");
  });
});

describe("what is no plugin", () => {
  const http = (body: string | Uint8Array, contentType: string, status = "200 OK") => {
    const head = `HTTP/1.1 ${status}\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`;
    return (socket: Socket) => {
      socket.once("data", () => {
        socket.write(head);
        socket.end(body);
      });
    };
  };
  const replies: readonly [string, (socket: Socket) => void][] = [
    ["hangs up at once", (socket) => void socket.destroy()],
    ["ends at once", (socket) => void socket.end()],
    ["hangs up after the request", (socket) => void socket.once("data", () => socket.destroy())],
    ["greets first, as SSH does", (socket) => void socket.write("SSH-2.0-OpenSSH_9.6\r\n")],
    [
      "responds with bytes that mean nothing",
      (socket) =>
        void socket.once("data", () => socket.end(Uint8Array.from({ length: 4096 }, (_, i) => (i * 7) % 256))),
    ],
    [
      "responds with half a response",
      (socket) =>
        void socket.once("data", () =>
          socket.end("HTTP/1.1 200 OK\r\nContent-Type: application/proto\r\nContent-Length: 100\r\n\r\nabc"),
        ),
    ],
    ["responds with a web page", http("<!doctype html><title>hi</title>", "text/html")],
    ["responds with bytes that are no message", http(Uint8Array.of(255, 255, 255, 255), "application/proto")],
    ["responds with JSON", http("{}", "application/json")],
    ["responds that it is broken", http("broken", "text/plain", "500 Internal Server Error")],
    ["responds that it is not there", http("", "text/plain", "503 Service Unavailable")],
    // A whole HTTP/2 frame of SETTINGS, then one that is cut off.
    [
      "speaks HTTP/2 and then breaks off",
      (socket) => void socket.end(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9, 1)),
    ],
  ];

  describe.each<Place>(["http", "tcp", "unix"])("at %s", (place) => {
    test.each(replies)("is unreachable, and the process goes on: it %s", async (_what, reply) => {
      await using server = await startRawServer(place, reply);
      const error = await refusal(connect(server.address, { dialTimeoutMs: 1_000 }));
      expect(error).toMatchObject({ errorCode: "PB-CONNECT-UNREACHABLE", code: Code.Unavailable });
      expect(error.message).toMatch(new RegExp(` at ${server.address}: .`));
      expect(error.hint).not.toBe("");
    });
  });

  test.each(replies)("is unreachable for the portable connect: it %s", async (_what, reply) => {
    await using server = await startRawServer("http", reply);
    const error = await refusal(connectPortably(server.address, { dialTimeoutMs: 1_000 }));
    expect(error).toMatchObject({ errorCode: "PB-CONNECT-UNREACHABLE" });
    expect(error.message).toMatch(new RegExp(`\n- connect[^:]* at ${server.address}: .`));
    expect(error.message).not.toContain("fetch failed\n");
  });
});

describe("a server that accepts and never responds", () => {
  test.each<Place>(["http", "tcp", "unix"])("is given up after dialTimeoutMs: %s", async (place) => {
    await using server = await startRawServer(place, () => undefined);
    const error = await refusal(connect(server.address, { dialTimeoutMs: 100 }));
    expect(error.errorCode).toBe("PB-CONNECT-UNREACHABLE");
    expect(error.message).toContain(` at ${server.address}: no response within 100 ms\n`);
  });

  test("is given up by the portable connect, too", async () => {
    await using server = await startRawServer("http", () => undefined);
    const error = await refusal(connectPortably(server.address, { dialTimeoutMs: 100 }));
    expect(error.message).toContain("no response within 100 ms");
  });

  test("has dialTimeoutMs for all that it is asked, not for each question", async () => {
    const given: number[] = [];
    await using server = await startRpcServer({
      place: "http",
      httpVersion: "1.1",
      intercept({ headers }, response) {
        const text = headers["connect-timeout-ms"] ?? headers["grpc-timeout"];
        given.push(Number.parseInt(String(text), 10));
        // Time has to pass for there to be less of it.
        setTimeout(() => response.writeHead(500).end(), 20);
        return true;
      },
    });
    expect((await refusal(connect(server.address, { dialTimeoutMs: 50_000 }))).errorCode).toBe(
      "PB-CONNECT-UNREACHABLE",
    );
    const [first = Number.NaN, second = Number.NaN] = given;
    expect(given).toHaveLength(2);
    expect(first).toBeLessThanOrEqual(50_000);
    expect(second).toBeLessThan(first);
  });

  test("is given up when it has begun to respond", async () => {
    await using server = await startRawServer("http", (socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/proto\r\nContent-Length: 100\r\n\r\nabc");
    });
    for (const each of [connect, connectPortably]) {
      const error = await refusal(each(server.address, { dialTimeoutMs: 100 }));
      expect(error.message).toContain("no response within 100 ms");
    }
  });
});

describe("a manifest", () => {
  type Endpoints = readonly MessageInitShape<typeof EndpointSchema>[];
  const described = (endpoints: Endpoints): MessageInitShape<typeof ManifestSchema> => ({
    name: "behaviour",
    version: "1.0.0",
    protocolVersion: 1,
    protocolVersions: [1],
    endpoints: [...endpoints],
  });
  const overHttp = { protocol: Protocol.CONNECT, carrier: Carrier.HTTP } as const;
  const connectPlaces = (connection: Connection) =>
    connection.routes.unary.routes.map((route) => route.endpoint.address.text);

  test.each<[string, Endpoints[number], string]>([
    [
      "a Unix socket",
      { protocol: Protocol.GRPC, carrier: Carrier.UNIX, address: "unix:/run/other.sock" },
      "grpc at unix:/run/other.sock",
    ],
    [
      "a TCP address",
      { protocol: Protocol.CONNECT, carrier: Carrier.TCP, address: "tcp:127.0.0.1:1" },
      "connect at tcp:127.0.0.1:1",
    ],
    ["another host", { ...overHttp, address: "https://evil.example.com" }, "connect at https://evil.example.com"],
    ["another port", { ...overHttp, address: "http://127.0.0.1:1" }, "connect at http://127.0.0.1:1"],
  ])("a manifest that comes by http may not send callers to %s", async (_what, endpoint, named) => {
    await using server = await startRpcServer({
      place: "http",
      httpVersion: "1.1",
      manifest: described([endpoint, overHttp]),
    });
    await using connection = await connect(server.address);
    expect(connectPlaces(connection)).toEqual([server.address]);
    expect(connection.routes.unary.rejected).toContainEqual({
      endpoint: named,
      reason: `${server.address} may not send callers there; pass that address to connect() if you trust it`,
    });
    expect(await connection.client(BehaviourService).echo({ text: "here" })).toMatchObject({ text: "here" });
  });

  test("a manifest that comes by http and names only other places leaves nowhere to go", async () => {
    const elsewhere = { ...overHttp, address: "https://evil.example.com" };
    await using server = await startRpcServer({ place: "http", httpVersion: "1.1", manifest: described([elsewhere]) });
    const error = await refusal(connect(server.address));
    expect(error.errorCode).toBe("PB-CONNECT-UNREACHABLE");
    expect(error.message).toContain("connect at https://evil.example.com: ");
    expect(error.message).toContain("may not send callers there");
  });

  test("a manifest that comes by http may name another path of its own host", async () => {
    await using inner = await startRpcServer({
      place: "http",
      httpVersion: "1.1",
      intercept(request) {
        request.url = request.url?.replace(/^\/base/, "") ?? "";
        return false;
      },
    });
    await using outer = await startRpcServer({
      place: "http",
      httpVersion: "1.1",
      manifest: described([{ ...overHttp, address: "http://plugin.example/base" }]),
    });
    // One host, which serves the path that it names.
    const fetch: typeof globalThis.fetch = (input, init) => {
      const { pathname, search } = new URL(String(input));
      const server = pathname.startsWith("/base/") ? inner : outer;
      return globalThis.fetch(server.address + pathname + search, init);
    };
    await using connection = await connectPortably("http://plugin.example", { fetch });
    expect(connectPlaces(connection)).toEqual(["http://plugin.example/base"]);
    expect(await connection.client(BehaviourService).echo({ text: "here" })).toMatchObject({ text: "here" });
    expect(inner.calls).toEqual(["Echo"]);
  });

  test("a manifest that comes by https may not send callers to the same host without encryption", async () => {
    await using server = await startRpcServer({
      place: "http",
      httpVersion: "1.1",
      manifest: described([{ ...overHttp, address: "http://plugin.example" }, overHttp]),
    });
    const fetch: typeof globalThis.fetch = (input, init) => {
      const { pathname, search } = new URL(String(input));
      return globalThis.fetch(server.address + pathname + search, init);
    };
    await using connection = await connectPortably("https://plugin.example", { fetch });
    expect(connectPlaces(connection)).toEqual(["https://plugin.example"]);
  });

  test.each<[string, Endpoints[number], string]>([
    ["an http: URL", { ...overHttp, address: "http://127.0.0.1:1" }, "connect at http://127.0.0.1:1"],
    ["an https: URL", { ...overHttp, address: "https://evil.example.com" }, "connect at https://evil.example.com"],
    [
      "a TCP address",
      { protocol: Protocol.GRPC, carrier: Carrier.TCP, address: "tcp:192.0.2.1:80" },
      "grpc at tcp:192.0.2.1:80",
    ],
  ])("a manifest that comes from a Unix socket may not send callers to %s", async (_what, endpoint, named) => {
    await using server = await startRpcServer({
      place: "unix",
      httpVersion: "2",
      manifest: described([endpoint, { protocol: Protocol.GRPC, carrier: Carrier.UNIX }]),
    });
    await using connection = await connect(server.address);
    expect(connectPlaces(connection)).toEqual([server.address]);
    expect(connection.routes.unary.rejected).toContainEqual({
      endpoint: named,
      reason: `${server.address} may not send callers there; pass that address to connect() if you trust it`,
    });
  });

  test("a manifest that comes from a Unix socket may name another one", async () => {
    await using other = await startRpcServer({ place: "unix", httpVersion: "2" });
    await using server = await startRpcServer({
      place: "unix",
      httpVersion: "2",
      manifest: described([{ protocol: Protocol.GRPC, carrier: Carrier.UNIX, address: other.address }]),
    });
    await using connection = await connect(server.address);
    expect(connectPlaces(connection)).toEqual([other.address]);
    await connection.client(BehaviourService).echo({});
    expect([server.calls, other.calls]).toEqual([[], ["Echo"]]);
  });

  test("can't be made to say that plain http is encrypted", async () => {
    await using server = await startRpcServer({
      place: "http",
      httpVersion: "1.1",
      manifest: described([{ ...overHttp, encrypted: true }]),
    });
    const error = await refusal(connect(server.address, { require: { encryption: true } }));
    expect(error.message).toContain("not encrypted, and the caller requires encryption");
    await using connection = await connect(server.address);
    expect(connection.routes.unary.routes[0]?.endpoint.encrypted).toBe(false);
  });

  test.each<[string, Endpoints[number], string]>([
    ["a carrier that only the plugin's own process knows", { ...overHttp, carrier: Carrier.UNIX }, "connect at unix: "],
    [
      "a carrier that no address can name",
      { ...overHttp, carrier: Carrier.MESSAGE_PORT, address: "port 1" },
      "port 1: ",
    ],
    [
      "an address that can't be read, without the secret in it,",
      { ...overHttp, address: "https://user:swordfish@" },
      "connect at https://...@: its address can't be read",
    ],
    [
      "an address with control characters",
      { ...overHttp, address: "https://host/\u001b[2Ja\nb" },
      "connect at https://host/a b: its address can't be read",
    ],
    [
      "a very long address",
      { ...overHttp, address: `https://host/${"a".repeat(1000)}` },
      `${"a".repeat(280)}...: its address can't be read`,
    ],
  ])("a manifest that names %s has that endpoint passed over with a reason", async (_what, endpoint, reason) => {
    await using server = await startRpcServer({
      place: "http",
      httpVersion: "1.1",
      manifest: described([endpoint, overHttp]),
    });
    await using connection = await connect(server.address);
    const rejected = connection.routes.unary.rejected.map((each) => `${each.endpoint}: ${each.reason}`);
    expect(rejected).toHaveLength(1);
    expect(rejected[0]).toContain(reason);
  });

  test.each<[string, Endpoints]>([
    ["no endpoint", []],
    ["only endpoints from the future", [{ protocol: 99 as Protocol, carrier: Carrier.HTTP }]],
  ])("a manifest that names %s leaves nowhere to go, and the error says at which address", async (_what, endpoints) => {
    await using server = await startRpcServer({ place: "http", httpVersion: "1.1", manifest: described(endpoints) });
    const error = await refusal(connect(server.address));
    expect(error.errorCode).toBe("PB-CONNECT-UNREACHABLE");
    expect(error.message).toContain(server.address);
  });

  test("a manifest that has an endpoint from the future beside one that is known serves as well", async () => {
    const manifest = described([{ protocol: Protocol.CONNECT, carrier: 99 as Carrier }, overHttp]);
    await using server = await startRpcServer({ place: "http", httpVersion: "1.1", manifest });
    await using connection = await connect(server.address);
    expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
  });

  test("can't write to the terminal of those who read about it", async () => {
    const evil = "\u001b]0;owned\u0007\u001b[2Jsample\n- grpc at unix:/a: works \u202e\u0000";
    const endpoint = { ...overHttp, carrier: Carrier.MESSAGE_PORT, address: evil };
    await using server = await startRpcServer({
      place: "http",
      httpVersion: "1.1",
      manifest: {
        protocolVersion: 1,
        protocolVersions: [1],
        endpoints: [endpoint, overHttp],
        name: evil,
        version: evil,
        description: evil,
        services: [{ name: evil, methods: [{ name: evil }] }],
        dependencies: [{ name: evil, versionRange: evil }],
      },
    });
    await using connection = await connect(server.address);
    const shown = "sample - grpc at unix:/a: works ";
    expect(connection.manifest).toMatchObject({ name: shown, version: shown, description: shown });
    for (const text of [explainRoutes(connection.routes), JSON.stringify(connection.manifest)]) {
      expect(text).toContain(shown);
      // As JSON writes them, too.
      expect(text).not.toMatch(/[^\P{Cc}\n]|[\\]u00|[\\]n|\u202e|owned/u);
    }
    const version = await refusal(connect(server.address, { protocolVersions: [2] }));
    expect(version.message).toContain(`plugin ${shown} speaks protocol version 1, the caller 2`);
    expect(version.message).not.toMatch(/[^\P{Cc}\n]/u);
  });

  test("can't make an error long by many protocol versions", async () => {
    const protocolVersions = Array.from({ length: 10_000 }, (_, index) => index + 1);
    const manifest = { name: "behaviour", protocolVersion: 1, protocolVersions, endpoints: [overHttp] };
    await using server = await startRpcServer({ place: "http", httpVersion: "1.1", manifest });
    const error = await refusal(connect(server.address, { protocolVersions: [20_000] }));
    expect(error).toMatchObject({ errorCode: "PB-CONNECT-VERSION" });
    expect(error.message.length).toBeLessThan(1000);
  });

  test("has no more than 64 endpoints looked at, and the rest told of in one line", async () => {
    const elsewhere = Array.from({ length: 1000 }, (_, port) => ({ ...overHttp, address: `http://192.0.2.1:${port}` }));
    const manifest = described([overHttp, ...elsewhere]);
    await using server = await startRpcServer({ place: "http", httpVersion: "1.1", manifest });
    await using connection = await connect(server.address);
    expect(connectPlaces(connection)).toEqual([server.address]);
    const { rejected } = connection.routes.unary;
    expect(rejected).toHaveLength(64);
    expect(rejected.at(-1)).toEqual({
      endpoint: `937 more endpoints of ${server.address}`,
      reason: "its manifest names more than 64",
    });
  });
});

test("a server's own words for why it can't be used are one short line without control characters", async () => {
  const said = `go \u001b[31maway\u0007${"!".repeat(1000)}\n- grpc at unix:/a: works`;
  await using server = await startRpcServer({
    place: "http",
    httpVersion: "1.1",
    intercept(_request, response) {
      // gRPC-Web's message is percent-encoded.
      response.writeHead(503, { "Content-Type": "text/plain", "Grpc-Message": encodeURIComponent(said) }).end();
      return true;
    },
  });
  const error = await refusal(connect(server.address));
  expect(error.message).toMatch(/grpc-web at http:.*go away!+[.]{3}\n/);
  expect(error.message).not.toMatch(/[^\P{Cc}\n]|- grpc at/u);
  expect(error.message.length).toBeLessThan(2000);
});
