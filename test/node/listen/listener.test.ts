import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { setImmediate, setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { Transport } from "@connectrpc/connect";
import { Code, createClient } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { definePlugin } from "plugboard";
import { connect } from "plugboard/node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { defaultLog } from "../../../src/base/log.ts";
import { trustedLimits } from "../../../src/call/call-policy.ts";
import type { Listener, ListenOptions } from "../../../src/node/listen/listener.ts";
import { listen } from "../../../src/node/listen/listener.ts";
import { startPlugin } from "../../../src/plugin/running-plugin.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { rawPeer, requestFrame } from "../../support/ttrpc/raw-peer.ts";

const echo = "/plugboard.test.v1.BehaviourService/Echo";
const directory = mkdtempSync(join(tmpdir(), "listener-"));
const path = join(directory, "p.sock");
let listener: Listener;

/** The texts that reached the handler. */
const handled: string[] = [];

const noting = definePlugin({
  name: "noting",
  version: "1.0.0",
  routes(router) {
    router.service(BehaviourService, {
      echo({ text, data }) {
        handled.push(text);
        return { text, data };
      },
      async *converse(requests) {
        for await (const { text } of requests) {
          yield { text };
        }
      },
      inspect: () => ({}),
    });
  },
});

beforeAll(async () => {
  // What is closed before a test is over is not closed by this limit.
  listener = await listenAt(path, { headerTimeoutMs: 600_000 });
});
afterAll(async () => {
  await listener.drain(0);
  rmSync(directory, { recursive: true, force: true });
});

const limited = { limits: { ...trustedLimits, maxMessageBytes: 10_000 }, log: defaultLog };

async function listenAt(at: string, options: Partial<ListenOptions>): Promise<Listener> {
  return listen(await startPlugin(noting), { carrier: "unix", path: at }, { policy: limited, ...options });
}

interface Reply {
  readonly status: number | undefined;
  readonly body: string;
}

function request(options: http.RequestOptions, body?: string | Buffer): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const sent = http.request(
    { ...(options.port === undefined && { socketPath: path }), agent: false, ...options },
    (response) => {
      text(response).then((content) => resolve({ status: response.statusCode, body: content }), reject);
    },
  );
  sent.on("error", reject).end(body);
  return promise;
}

/** Posts `{}` to Echo over HTTP/2. */
async function requestHttp2(to: net.NetConnectOpts, headers: http2.OutgoingHttpHeaders): Promise<Reply> {
  const session = http2.connect("http://localhost", { createConnection: () => net.connect(to) });
  const stream = session.request({ ":method": "POST", ":path": echo, "content-type": "application/json", ...headers });
  stream.end("{}");
  const [head] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  const reply = { status: Number(head[":status"]), body: await text(stream) };
  session.destroy();
  return reply;
}

const json = { method: "POST", headers: { "Content-Type": "application/json" } } as const;

/** Sends raw bytes, each chunk in a packet of its own, and collects what comes back until the other side closes. */
async function exchange(...chunks: readonly (string | Buffer)[]): Promise<string> {
  const socket = net.connect({ path });
  await once(socket, "connect");
  for (const chunk of chunks) {
    socket.write(chunk);
    await untilRead();
  }
  return await text(socket).catch((error: NodeJS.ErrnoException) => error.code ?? "");
}

/** Waits until the listener, which runs in this process too, has read what was written to its socket. */
async function untilRead() {
  // It reads between two of these; the first may belong to its accepting the connection.
  await setImmediate();
  await setImmediate();
}

test("speaks Connect in JSON, by POST and by GET", async () => {
  expect(await request({ ...json, path: echo }, '{"text":"hi"}')).toEqual({ status: 200, body: '{"text":"hi"}' });
  const query = new URLSearchParams({ connect: "v1", encoding: "json", message: '{"text":"hi"}' });
  expect(await request({ path: `${echo}?${query}` })).toEqual({ status: 200, body: '{"text":"hi"}' });
});

const http1 = {
  baseUrl: "http://localhost",
  httpVersion: "1.1",
  nodeOptions: { socketPath: path, agent: false },
} as const;
const http2Options = () =>
  ({
    baseUrl: "http://localhost",
    httpVersion: "2",
    nodeOptions: { createConnection: () => net.connect({ path }) },
    idleConnectionTimeoutMs: 1,
  }) as const;
const zipped = { sendCompression: compressionGzip, compressMinBytes: 0 } as const;

describe.each<[string, (more: Pick<typeof zipped, never>) => Transport]>([
  ["Connect over HTTP/1.1", (more) => createConnectTransport({ ...http1, ...more })],
  ["Connect in JSON over HTTP/1.1", (more) => createConnectTransport({ ...http1, useBinaryFormat: false, ...more })],
  ["Connect over HTTP/2", (more) => createConnectTransport({ ...http2Options(), ...more })],
  ["gRPC over HTTP/2", (more) => createGrpcTransport({ ...http2Options(), ...more })],
  ["gRPC-Web over HTTP/1.1", (more) => createGrpcWebTransport({ ...http1, ...more })],
  ["gRPC-Web over HTTP/2", (more) => createGrpcWebTransport({ ...http2Options(), ...more })],
])("speaks %s", (_, open) => {
  test("plain and compressed", async () => {
    for (const transport of [open({}), open(zipped)]) {
      const text = "a".repeat(9_000);
      expect(await createClient(BehaviourService, transport).echo({ text })).toMatchObject({ text });
    }
  });

  test("runs no handler for a message over its limit, compressed or not", async () => {
    const text = randomUUID() + "a".repeat(1_000_000);
    for (const transport of [open({}), open(zipped)]) {
      await expect(createClient(BehaviourService, transport).echo({ text })).rejects.toMatchObject({
        code: Code.ResourceExhausted,
      });
    }
    expect(handled).not.toContain(text);
  });
});

test("says how it is", async () => {
  expect(await request({ path: "/healthz" })).toEqual({ status: 200, body: '{"status":"ok"}' });
  expect(await request({ path: "/readyz" })).toEqual({ status: 200, body: '{"status":"ok"}' });
});

test("refuses what is no proper call, and lives on", async () => {
  expect((await request({ method: "GET", path: "/plugboard.test.v1.BehaviourService/Inspect" })).status).toBe(405);
  expect((await request({ method: "POST", path: echo }, "{}")).status).toBe(415);
  expect((await request({ ...json, path: echo }, "{")).body).toContain('"code":"invalid_argument"');
  expect((await request({ ...json, path: echo }, '{"password":"swordfish"}')).body).not.toContain("swordfish");
  const headers = { ...json.headers, "Content-Encoding": "gzip" };
  expect((await request({ method: "POST", headers, path: echo }, "not gzip")).body).toContain('"code":"');
  expect(await exchange("NOT HTTP\r\n\r\n")).toContain("HTTP/1.1 400 Bad Request");
  expect((await request({ path: "/healthz" })).status).toBe(200);
});

test("survives a caller that goes away in the middle of its request", async () => {
  const socket = net.connect({ path });
  socket.write(`POST ${echo} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`);
  socket.write("  ", () => socket.destroy());
  await once(socket, "close");
  expect((await request({ path: "/healthz" })).status).toBe(200);
});

test("refuses in Connect's error form what is no method", async () => {
  for (const path of ["/", "/no.such.Service/Method", "//", "/%zz"]) {
    const { status, body } = await request({ ...json, path }, "{}");
    expect({ status, ...JSON.parse(body) }).toEqual({
      status: 404,
      code: "unimplemented",
      message: expect.stringMatching(new RegExp(`^no such method: ${path}(;|$)`)),
    });
  }
});

test("refuses in the protocol of the call what is no method", async () => {
  const session = http2.connect("http://localhost", { createConnection: () => net.connect({ path }) });
  for (const type of ["application/grpc", "application/grpc+proto", "application/grpc-web+proto"]) {
    const stream = session.request({ ":method": "POST", ":path": "/no.such.Service/Method", "content-type": type });
    stream.end();
    const [head] = await once(stream, "response");
    const message = encodeURIComponent("no such method: /no.such.Service/Method");
    const expected = { ":status": 200, "content-type": type, "grpc-status": "12", "grpc-message": message };
    expect(head).toMatchObject(expected);
    expect(await text(stream)).toBe("");
  }
  session.destroy();
});

test("responds to a request of HTTP/1.1 before its end, and then the next one on the same connection", async () => {
  const size = 1_000_000;
  const tooLarge = Buffer.alloc(5 + size);
  tooLarge.writeUInt32BE(size, 1);
  const head = (type: string, length: number, more = "") =>
    `POST ${echo} HTTP/1.1\r\nHost: x\r\n${more}Content-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`;
  const replies = await exchange(
    head("application/grpc-web+proto", tooLarge.length),
    tooLarge,
    `${head("application/json", 13, "Connection: close\r\n")}{"text":"hi"}`,
  );
  expect(replies).toContain("grpc-status: 8");
  expect(replies).toContain('{"text":"hi"}');
});

test("understands HTTP/1.1 that comes byte by byte", async () => {
  const whole = `POST ${echo} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
  expect(await exchange(...whole)).toContain("HTTP/1.1 200 OK");
});

test("understands HTTP/2 whose preface comes byte by byte", async () => {
  const socket = net.connect({ path });
  await once(socket, "connect");
  let bytes = 0;
  const slow = new Duplex({
    read() {},
    async write(chunk: Buffer, _, done) {
      for (const byte of chunk) {
        socket.write(Buffer.of(byte));
        if (bytes++ < 24) {
          await untilRead();
        }
      }
      done();
    },
  });
  socket.on("data", (chunk) => slow.push(chunk)).on("end", () => slow.push(null));
  const session = http2.connect("http://localhost", { createConnection: () => slow });
  const stream = session.request({ ":path": "/healthz" });
  expect(await text(stream)).toBe('{"status":"ok"}');
  session.destroy();
  socket.destroy();
});

test.each([
  ["TLS", Buffer.of(0x16, 3, 1, 0, 0), /PB-TLS-NOT-SPOKEN/],
  ["noise", Buffer.of(0xff, 0xfe), /^$|ECONNRESET/],
  ["a blank line", "\r\n\r\n", /^$|ECONNRESET/],
])("closes a connection that starts with %s at once, and no other", async (_, bytes, reply) => {
  await using connection = await connect(`unix:${path}`);
  const finish = Promise.withResolvers<void>();
  async function* requests() {
    yield { text: "before" };
    await finish.promise;
    yield { text: "after" };
  }
  const responses = connection.client(BehaviourService).converse(requests())[Symbol.asyncIterator]();
  expect(await responses.next()).toMatchObject({ value: { text: "before" } });
  expect(await exchange(bytes)).toMatch(reply);
  finish.resolve();
  expect(await responses.next()).toMatchObject({ value: { text: "after" } });
});

test.each([
  ["nothing", ""],
  ["one byte that may become anything", "P"],
  ["no more than the beginning of a ttrpc frame", "\0\0\0"],
  ["no more than the beginning of HTTP/2's preface", "PRI * HTT"],
  ["no more than the beginning of its headers", "GET / HTTP/1.1\r\nHost: x"],
])(
  "closes a connection that says %s, after a while",
  async (_, bytes) => {
    const at = join(directory, `impatient-${bytes.length}.sock`);
    const impatient = await listenAt(at, { headerTimeoutMs: 300 });
    try {
      const socket = net.connect({ path: at });
      if (bytes !== "") {
        socket.write(bytes);
      }
      expect(await text(socket).catch((error: NodeJS.ErrnoException) => error.code)).toMatch(/^$|ECONNRESET|408|^\0\0/);
    } finally {
      await impatient.drain(0);
    }
  },
  10_000,
);

test("lets a caller that reads slowly have the whole of its last response within the grace period", async () => {
  const at = join(directory, "slow-reader.sock");
  const slow = await listenAt(at, { policy: { limits: trustedLimits, log: defaultLog } });
  const socket = net.connect({ path: at }).pause();
  const peer = rawPeer(socket);
  const data = new Uint8Array(3_000_000);
  peer.send(requestFrame(1, BehaviourService.method.echo, { text: "slowly", data }));
  await vi.waitUntil(() => handled.includes("slowly"), { timeout: 10_000 });
  const drained = slow.drain(10_000);
  // Those that do not read at all are cut off by now.
  await setTimeout(500);
  socket.resume();
  expect((await peer.nextOn(1)).data?.byteLength).toBeGreaterThan(data.byteLength);
  await drained;
});

test("allows a client as many streams at once as the manifest says", async () => {
  const session = http2.connect("http://localhost", { createConnection: () => net.connect({ path }) });
  const [settings] = await once(session, "remoteSettings");
  expect(settings).toMatchObject({ maxConcurrentStreams: 1024 });
  session.close();
});

test("leaves a connection that has said something alone, however long the next request takes", async () => {
  const slow = await listenAt(join(directory, "slow.sock"), { headerTimeoutMs: 100 });
  const silent = net.connect({ path: join(directory, "slow.sock") });
  const socket = net.connect({ path: join(directory, "slow.sock") });
  socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(String(await once(socket, "data"))).toContain("200 OK");
  // Now the limit has passed.
  await text(silent);
  socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(String(await once(socket, "data"))).toContain("200 OK");
  socket.destroy();
  await slow.drain(0);
});

test("responds with 400 to a request without a usable Host header, says what is wrong with it, and lives on", async () => {
  const body = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
  const without = await exchange(`POST ${echo} HTTP/1.0\r\n${body}`);
  expect(without).toContain(" 400 ");
  expect(without).toContain("no Host header");
  const unusable = await exchange(`POST ${echo} HTTP/1.1\r\nConnection: close\r\nHost: [\r\n${body}`);
  expect(unusable).toContain(" 400 ");
  expect(unusable).toContain("not host:port");
  expect((await request({ path: "/healthz" })).status).toBe(200);
});

test.for(["tmp%2Fa%2Fp.sock", "unused", "[", "localhost:70000"])(
  "takes any authority over HTTP/2 on a Unix socket, as gRPC's core sends the socket's path: %s",
  async (authority) => {
    expect(await requestHttp2({ path }, { ":authority": authority })).toMatchObject({ status: 200 });
  },
);

describe("on TCP", () => {
  let port = 0;
  let onTcp: Listener;
  beforeAll(async () => {
    const address = { carrier: "tcp", host: "127.0.0.1", port: 0 } as const;
    onTcp = await listen(await startPlugin(noting), address, { policy: limited });
    port = onTcp.address.carrier === "tcp" ? onTcp.address.port : 0;
  });
  afterAll(() => onTcp.drain(0));

  const viaHttp1 = (host: string, path: string) => {
    const headers = { ...json.headers, Host: host };
    return request({ ...json, host: "127.0.0.1", port, path, headers }, "{}");
  };
  const viaHttp2 = (headers: http2.OutgoingHttpHeaders) => requestHttp2({ host: "127.0.0.1", port }, headers);
  const refused = {
    status: 421,
    body: expect.stringMatching(/^\{"code":"permission_denied","message":"only requests for /),
  };

  test.each(["localhost", "LocalHost:80", "127.0.0.1:4000", "127.9.9.9", "[::1]", "[::1]:4000"])(
    "serves requests for %s",
    async (host) => {
      expect(await viaHttp1(host, echo)).toEqual({ status: 200, body: "{}" });
      expect(await viaHttp2({ ":authority": host })).toEqual({ status: 200, body: "{}" });
    },
  );

  // A web page can make its own name lead to this machine.
  test.each([
    "rebound.example.com",
    "rebound.example.com:4000",
    "localhost.example.com",
    "127.0.0.1.example.com",
    "0.0.0.0",
    "192.0.2.1:80",
    "[::]",
    "[2001:db8::1]:4000",
  ])("refuses requests for %s", async (host) => {
    handled.length = 0;
    expect(await viaHttp1(host, echo)).toEqual(refused);
    expect(await viaHttp1(host, "/healthz")).toEqual(refused);
    expect(await viaHttp2({ ":authority": host })).toEqual(refused);
    expect(await viaHttp2({ ":authority": "localhost", host })).toEqual(refused);
    expect(handled).toEqual([]);
  });
});

test("responds on a Unix socket whatever the host is called", async () => {
  const headers = { ...json.headers, Host: "plugin.example.com" };
  expect(await request({ ...json, path: echo, headers }, "{}")).toEqual({ status: 200, body: "{}" });
});

test("tells by the size on the wire and by the size unpacked that a message is over its limit", async () => {
  const headers = { ...json.headers, "Content-Encoding": "gzip" };
  const post = async (body: Buffer) => (await request({ method: "POST", headers, path: echo }, body)).body;
  expect(await post(gzipSync('{"text":"hi"}'))).toBe('{"text":"hi"}');
  const bomb = gzipSync(`{"text":"${"a".repeat(1_000_000)}"}`);
  expect(bomb.byteLength).toBeLessThan(10_000);
  expect(await post(bomb)).toContain("resource_exhausted");
  expect(await post(gzipSync(JSON.stringify({ text: randomBytes(20_000).toString("base64") })))).toContain(
    "resource_exhausted",
  );
});

test("lets only its own user in, from the first moment on, whatever the umask is", async () => {
  const running = await startPlugin(noting);
  const at = join(directory, "private.sock");
  const usual = process.umask(0);
  try {
    const listening = listen(running, { carrier: "unix", path: at }, { policy: limited });
    expect(statSync(at).mode & 0o777).toBe(0o600);
    const { drain } = await listening;
    expect(statSync(at).mode & 0o777).toBe(0o600);
    expect(process.umask()).toBe(0);
    await drain(0);
  } finally {
    process.umask(usual);
  }
});

test("says by PB-LISTEN-FAILED that another was faster to replace a socket on which no one listens any more", async () => {
  const at = join(directory, "contended.sock");
  const former = net.createServer().listen(join(directory, "former.sock"));
  await once(former, "listening");
  renameSync(join(directory, "former.sock"), at);
  former.close();
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => listenAt(at, {})));
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") {
      await outcome.value.drain(0);
    } else {
      expect(outcome.reason).toMatchObject({ errorCode: "PB-LISTEN-FAILED" });
    }
  }
});
