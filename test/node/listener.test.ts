import { mkdtempSync, rmSync, statSync } from "node:fs";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";
import { connect } from "plugboard/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BehaviourService } from "../../src/gen/plugboard/test/v1/behaviour_pb.ts";
import type { Listener } from "../../src/node/listener.ts";
import { listen } from "../../src/node/listener.ts";
import { startPlugin } from "../../src/plugin/running-plugin.ts";
import plugin from "../behaviour/plugin.ts";

const echo = "/plugboard.test.v1.BehaviourService/Echo";
const directory = mkdtempSync(join(tmpdir(), "listener-"));
const path = join(directory, "p.sock");
let listener: Listener;

beforeAll(async () => {
  const running = await startPlugin(plugin);
  // A limit that a test can wait for.
  listener = await listen(running, { carrier: "unix", path }, { maxMessageBytes: 10_000, headerTimeoutMs: 500 });
});
afterAll(async () => {
  await listener.drain(0);
  rmSync(directory, { recursive: true, force: true });
});

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

function request(options: http.RequestOptions, body?: string | Buffer): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = http.request({ socketPath: path, agent: false, ...options }, (response) => {
    text(response).then((content) => resolve({ status: response.statusCode, body: content }), reject);
  });
  sent.on("error", reject).end(body);
  return promise;
}

const json = { method: "POST", headers: { "Content-Type": "application/json" } } as const;

/** Sends raw bytes and collects what comes back until the other side closes. */
async function exchange(...chunks: readonly (string | Buffer)[]): Promise<string> {
  const socket = net.connect({ path });
  for (const chunk of chunks) {
    socket.write(chunk);
    // Each in a packet of its own.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return await text(socket).catch((error: NodeJS.ErrnoException) => error.code ?? "");
}

test("speaks Connect in JSON, by POST and by GET", async () => {
  expect(await request({ ...json, path: echo }, '{"text":"hi"}')).toEqual({ status: 200, body: '{"text":"hi"}' });
  const query = new URLSearchParams({ connect: "v1", encoding: "json", message: '{"text":"hi"}' });
  expect(await request({ path: `${echo}?${query}` })).toEqual({ status: 200, body: '{"text":"hi"}' });
});

test("speaks gRPC-Web", async () => {
  const transport = createGrpcWebTransport({
    baseUrl: "http://localhost",
    httpVersion: "1.1",
    nodeOptions: { socketPath: path, agent: false },
  });
  expect(await createClient(BehaviourService, transport).echo({ text: "hi" })).toMatchObject({ text: "hi" });
});

test("says how it is", async () => {
  expect(await request({ path: "/healthz" })).toEqual({ status: 200, body: '{"status":"ok"}' });
  expect(await request({ path: "/readyz" })).toEqual({ status: 200, body: '{"status":"ok"}' });
});

test("answers in Connect's error form what is no method", async () => {
  for (const path of ["/", "/no.such.Service/Method", "//", "/%zz"]) {
    expect(await request({ ...json, path }, "{}")).toEqual({
      status: 404,
      body: '{"code":"unimplemented","message":"no such method"}',
    });
  }
});

test("understands HTTP/1.1 that comes byte by byte", async () => {
  const whole = `POST ${echo} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
  expect(await exchange(...whole)).toContain("HTTP/1.1 200 OK");
});

test("understands HTTP/2 whose preface comes byte by byte", async () => {
  const slow = net.connect({ path });
  const write = slow.write.bind(slow);
  let first = true;
  // Takes the first write, which starts with the preface, apart.
  slow.write = ((chunk: Buffer, ...rest: never[]) => {
    if (!first) {
      return write(chunk, ...rest);
    }
    first = false;
    for (const byte of chunk.subarray(0, 24)) {
      write(Buffer.of(byte));
    }
    return write(chunk.subarray(24), ...rest);
  }) as typeof slow.write;
  const session = http2.connect("http://localhost", { createConnection: () => slow });
  const stream = session.request({ ":path": "/healthz" });
  expect(await text(stream)).toBe('{"status":"ok"}');
  session.close();
});

test.each([
  ["TLS", Buffer.of(0x16, 3, 1, 0, 0)],
  ["ttrpc", Buffer.alloc(10)],
  ["noise", Buffer.of(0xff, 0xfe)],
])("closes a connection that starts with %s, and no other", async (_, bytes) => {
  await using connection = await connect(`unix:${path}`);
  const before = connection.client(BehaviourService).echo({ text: "before" });
  expect(await exchange(bytes)).toMatch(/^$|ECONNRESET/);
  expect(await before).toMatchObject({ text: "before" });
});

test("closes a connection that says nothing, or stops in the middle of its headers", async () => {
  expect(await exchange()).toMatch(/^$|ECONNRESET/);
  expect(await exchange("PR")).toMatch(/^$|ECONNRESET/);
});

test("answers 400 to a request without a usable Host header, and lives on", async () => {
  const body = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
  expect(await exchange(`POST ${echo} HTTP/1.0\r\n${body}`)).toContain(" 400 ");
  expect(await exchange(`POST ${echo} HTTP/1.1\r\nConnection: close\r\nHost: [\r\n${body}`)).toContain(" 400 ");
  expect((await request({ path: "/healthz" })).status).toBe(200);
});

test("refuses a message over its limit, also one that is compressed", async () => {
  const long = JSON.stringify({ text: "a".repeat(10_000) });
  expect((await request({ ...json, path: echo }, long)).body).toContain("resource_exhausted");
  const headers = { ...json.headers, "Content-Encoding": "gzip" };
  expect((await request({ method: "POST", headers, path: echo }, gzipSync('{"text":"hi"}'))).body).toBe(
    '{"text":"hi"}',
  );
  const bomb = gzipSync(`{"text":"${"a".repeat(1_000_000)}"}`);
  expect(bomb.byteLength).toBeLessThan(10_000);
  expect((await request({ method: "POST", headers, path: echo }, bomb)).body).toContain("resource_exhausted");
});

test("lets only its own user in", () => {
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
