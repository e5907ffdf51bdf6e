import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { publicLimits } from "../../src/call/call-policy.ts";
import { edge, webSockets } from "../../src/edge.ts";
import { listen } from "../../src/node/listen/listener.ts";
import { readServerTls } from "../../src/node/tls/credentials.ts";
import { startPlugin } from "../../src/plugin/running-plugin.ts";
import { createCallPolicy } from "../../src/policy/create-call-policy.ts";
import { makeParties } from "../support/tls/parties.ts";
import { head, service, startAttacked } from "./attacked.ts";
import plugin from "./plugin.ts";

interface Reply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

/** Checks what every response has to have. */
function check({ status, headers }: Reply, secure: boolean, cacheable = false) {
  expect({ status, ...Object.fromEntries(headers) }).toMatchObject({
    status,
    "content-security-policy": expect.stringMatching(/^default-src 'none'/),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": expect.stringMatching(/camera=\(\)/),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-request-id": expect.stringMatching(/^[\w.:-]+$/),
    vary: expect.stringMatching(/^Origin, Accept-Encoding/),
  });
  expect(headers.has("server")).toBe(false);
  expect(headers.has("x-powered-by")).toBe(false);
  expect(headers.get("cache-control")).toBe(cacheable ? "public, max-age=60" : "no-store");
  expect(headers.get("strict-transport-security")).toEqual(secure ? expect.stringContaining("max-age=") : undefined);
}

const json = ["Content-Type: application/json"];
const preflight = ["Origin: https://app.example.com", "Access-Control-Request-Method: POST"];
const upgrade = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  `Sec-WebSocket-Key: ${"A".repeat(22)}==`,
];

/** Requests of HTTP/1.1 by the status of their response: method, path, header fields, body. */
type Case = readonly [status: number, method: string, path: string, fields: readonly string[], body?: string];

const everywhere: readonly Case[] = [
  [200, "POST", `${service}/Echo`, json, "{}"],
  [200, "GET", `${service}/Echo?connect=v1&encoding=json&message=%7B%7D`, []],
  [200, "GET", "/healthz", []],
  [200, "POST", `${service}/Collect`, ["Content-Type: application/connect+json"], ""],
  [200, "POST", `${service}/Echo`, ["Content-Type: application/grpc-web+proto"], ""],
  [204, "OPTIONS", `${service}/Echo`, preflight],
  [400, "POST", `${service}/Echo`, json, "{"],
  [400, "POST", `${service}/Fail`, json, '{"code":3}'],
  [401, "POST", `${service}/Fail`, json, '{"code":16}'],
  [403, "POST", `${service}/Fail`, json, '{"code":7}'],
  [404, "POST", "/no.such.Service/Method", json, "{}"],
  [404, "GET", "/", []],
  [405, "PUT", `${service}/Echo`, json, "{}"],
  [409, "POST", `${service}/Fail`, json, '{"code":6}'],
  [415, "POST", `${service}/Echo`, ["Content-Type: text/plain"], "{}"],
  [429, "POST", `${service}/Echo`, [...json, `X-Long: ${"a".repeat(17_000)}`], "{}"],
  [499, "POST", `${service}/Fail`, json, '{"code":1}'],
  [500, "POST", `${service}/Fail`, json, "{}"],
  [501, "POST", `${service}/Echo`, [...json, "Content-Encoding: zstd"], "{}"],
  [503, "POST", `${service}/Fail`, json, '{"code":14}'],
  [504, "POST", `${service}/Hang`, [...json, "Connect-Timeout-Ms: 10"], "{}"],
];

/** Requests that only Node's HTTP/1.1 gets, as workerd handles them before a Worker has them. */
const inNode: readonly Case[] = [
  [400, "POST", `${service}/Echo`, ["Content-Length: 1", "Content-Length: 2"]],
  [400, "GET", "/", [...upgrade, "Sec-WebSocket-Protocol: chat"]],
  [403, "GET", "/", [...upgrade, "Sec-WebSocket-Protocol: plugboard.ttrpc.v1", "Origin: https://evil.example.com"]],
  [417, "POST", `${service}/Echo`, [...json, "Expect: tea"], "{}"],
  [431, "POST", `${service}/Echo`, [...json, `X-Long: ${"a".repeat(80_000)}`], "{}"],
  [505, "POST", `${service}/Converse`, ["Content-Type: application/connect+json"], ""],
];

/** The cases with what they are called. */
function named(cases: readonly Case[]) {
  return cases.map((each) => [`${each[0]} to ${each[1]} ${each[2]}`, each] as const);
}

function bytesOf([, method, path, fields, body]: Case): string {
  const length = body === undefined ? [] : [`Content-Length: ${body.length}`];
  const closing = fields.some((each) => each.startsWith("Connection")) ? [] : ["Connection: close"];
  return [`${method} ${path} HTTP/1.1`, "Host: localhost", ...fields, ...length, ...closing, "", body ?? ""].join(
    "\r\n",
  );
}

/** Sends bytes and reads the head of the response. */
async function ask(socket: net.Socket, bytes: string): Promise<Reply> {
  socket.on("error", () => undefined).write(bytes);
  let text = "";
  for await (const chunk of socket) {
    text += chunk;
    if (text.includes("\r\n\r\n")) {
      break;
    }
  }
  const [first, ...lines] = text.slice(0, text.indexOf("\r\n\r\n")).split("\r\n");
  const headers = lines.map(
    (line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()] as const,
  );
  expect(new Set(headers.map(([name]) => name)).size).toBe(headers.length);
  return { status: Number(first?.split(" ")[1]), headers: new Map(headers) };
}

async function askHttp2(url: string, [, method, path, fields, body]: Case, ca?: string): Promise<Reply> {
  const session = http2.connect(url, { ca });
  try {
    const own = Object.fromEntries(
      fields.map((each) => [each.slice(0, each.indexOf(":")), each.slice(each.indexOf(":") + 2)]),
    );
    const stream = session.request({ ":method": method, ":path": path, ...own });
    stream.on("error", () => undefined);
    stream.end(body);
    const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    const { ":status": status, ...others } = headers;
    return {
      status: Number(status),
      headers: new Map(Object.entries(others).map(([name, value]) => [name, String(value)])),
    };
  } finally {
    session.destroy();
  }
}

describe.each([
  ["HTTP", false],
  ["HTTPS", true],
])("Node over %s", (_, secure) => {
  let port = 0;
  let ca = "";
  let stop: () => Promise<void>;
  beforeAll(async () => {
    const { server } = await makeParties();
    ca = server.certificate;
    const running = await startPlugin(plugin);
    const listener = await listen(
      running,
      { carrier: "tcp", host: "127.0.0.1", port: 0 },
      {
        policy: createCallPolicy({}, publicLimits),
        origins: ["https://app.example.com"],
        headerTimeoutMs: 300,
        ...(secure && { tls: await readServerTls(server) }),
      },
    );
    port = listener.address.carrier === "tcp" ? listener.address.port : 0;
    stop = async () => {
      await listener.drain(0);
      await running.stop();
    };
  });
  afterAll(() => stop?.());

  const dial = async () => {
    const socket = secure
      ? connectTls({ host: "127.0.0.1", port, ca, servername: "localhost", ALPNProtocols: ["http/1.1"] })
      : net.connect({ host: "127.0.0.1", port });
    await once(socket, secure ? "secureConnect" : "connect");
    return socket;
  };

  test.each(named([...everywhere, ...inNode]))("has all headers in HTTP/1.1 in its response to %s", async (_, each) => {
    const response = await ask(await dial(), bytesOf(each));
    expect(response.status).toBe(each[0]);
    check(response, secure);
  });

  test.each(named([...everywhere, [417, "POST", `${service}/Echo`, [...json, "Expect: tea"], "{}"]]))(
    "has all headers in HTTP/2 in its response to %s",
    async (_, each) => {
      const response = await askHttp2(`${secure ? "https" : "http"}://localhost:${port}`, each, ca);
      expect(response.status).toBe(each[0]);
      check(response, secure);
    },
  );

  test("responds 408 with all headers when headers don't come to an end", async () => {
    const response = await ask(await dial(), "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow:");
    expect(response.status).toBe(408);
    check(response, secure);
  });

  test("responds 413 with all headers when a chunk says too much of itself", async () => {
    const chunk = `1;${"a".repeat(20_000)}\r\n{\r\n`;
    const response = await ask(await dial(), head(`${service}/Echo`, "Transfer-Encoding: chunked") + chunk);
    expect(response.status).toBe(413);
    check(response, secure);
  });

  test("sends all headers to what is no HTTP, and to what it does not read as such", async () => {
    for (const [status, bytes] of [
      [400, "NOT HTTP\r\n\r\n"],
      [400, "GET / HTTP/1.1\r\n\r\n"],
      [secure ? 404 : 421, "GET / HTTP/1.1\r\nHost: rebound.example.com\r\n\r\n"],
    ] as const) {
      const response = await ask(await dial(), bytes);
      expect(response.status).toBe(status);
      check(response, secure);
    }
  });

  test("sends all headers to a peer that does not speak TLS where it has to, or speaks it where it must not", async () => {
    const socket = net.connect({ host: "127.0.0.1", port });
    await once(socket, "connect");
    const response = await ask(socket, secure ? "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" : "\x16\x03\x01\x00\x00");
    expect(response.status).toBe(secure ? 426 : 400);
    check(response, false);
    if (secure) {
      const inHttp2 = await askHttp2(`http://localhost:${port}`, [403, "POST", `${service}/Echo`, json, "{}"]);
      expect(inHttp2.status).toBe(403);
      check(inHttp2, false);
    }
  });
});

describe("workerd", () => {
  let port = 0;
  let stop: () => Promise<unknown>;
  beforeAll(async () => {
    ({ port, stop } = await startAttacked("workerd"));
  }, 60_000);
  afterAll(() => stop?.());

  const askWorker = (each: Case) => ask(net.connect({ host: "127.0.0.1", port }), bytesOf(each));

  test.each(named(everywhere))("has all headers in its response to %s", async (_, each) => {
    const response = await askWorker(each);
    expect(response.status).toBe(each[0]);
    check(response, false);
  });

  test("sends all headers to a WebSocket, whether it opens one or not", async () => {
    const fields = [...upgrade, "Sec-WebSocket-Protocol: plugboard.ttrpc.v1"];
    for (const [status, origin] of [
      [101, "https://app.example.com"],
      [403, "https://evil.example.com"],
    ] as const) {
      const response = await askWorker([status, "GET", "/", [...fields, `Origin: ${origin}`]]);
      expect(response.status).toBe(status);
      check(response, false);
    }
  });

  test("lets its manifest be kept, also when it has not changed, and nothing else", async () => {
    const path = "/plugboard.plugin.v1.PluginService/Describe?connect=v1&encoding=json&message=%7B%7D";
    const whole = await askWorker([200, "GET", path, []]);
    check(whole, false, true);
    const unchanged = await askWorker([304, "GET", path, [`If-None-Match: ${whole.headers.get("etag")}`]]);
    expect(unchanged.status).toBe(304);
    check(unchanged, false, true);
  });
});

describe("the edge's app", () => {
  const asked = async (app: ReturnType<typeof edge>, url: string, init?: RequestInit): Promise<Reply> => {
    const { status, headers } = await app.fetch(new Request(url, init), {});
    return { status, headers: new Map(headers) };
  };

  test("says over HTTPS alone that it is to be reached so", async () => {
    for (const [scheme, secure] of [
      ["http", false],
      ["https", true],
    ] as const) {
      check(await asked(edge(plugin), `${scheme}://plugin.example.com/healthz`), secure);
      check(await asked(edge(plugin), `${scheme}://plugin.example.com/nothing`), secure);
    }
  });

  test("has all headers when the plugin does not start, whatever it throws", async () => {
    for (const thrown of [new Error("swordfish"), "swordfish"]) {
      const failing = edge({
        ...plugin,
        start() {
          throw thrown;
        },
      });
      const response = await asked(failing, `https://plugin.example.com${service}/Echo`, {
        method: "POST",
        body: "{}",
      });
      expect(response.status).toBe(500);
      check(response, true);
    }
  });

  test.each([
    ["none were opted for", {}],
    ["the runtime has none", { webSockets }],
  ])("has all headers for a WebSocket where %s", async (_, options) => {
    const headers = { Upgrade: "websocket", "Sec-WebSocket-Protocol": "plugboard.ttrpc.v1" };
    const response = await asked(edge(plugin, options), "https://plugin.example.com/", { headers });
    expect(response.status).toBe(501);
    check(response, true);
  });
});
