import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { json } from "node:stream/consumers";
import type { Client, Transport } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import type { Connection } from "plugboard";
import { isPlugboardError, memoryRateLimit } from "plugboard";
import { connect, Host } from "plugboard/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import type { Standalone } from "../support/standalone.ts";
import { startStandalone } from "../support/standalone.ts";

const command = ["node", "--conditions=plugboard-source", "test/plugin-process/fixtures/limited.ts"] as const;

let plugin: Standalone;
let url: string;
/** Connections by address: each begins with a call that counts. */
const opened = new Map<string, Promise<Connection>>();
beforeAll(async () => {
  plugin = await startStandalone(command, "tcp:127.0.0.1:0");
  url = plugin.address.replace("tcp:", "http://");
});
afterAll(async () => {
  for (const opening of opened.values()) {
    await (await opening).close();
  }
  expect(await plugin.stop()).toBe(0);
});

async function connected(address: string): Promise<Transport> {
  const opening = opened.get(address) ?? connect(address, { require: { protocols: ["ttrpc"] } });
  opened.set(address, opening);
  return (await opening).transport;
}

const ways: readonly (readonly [name: string, open: () => Transport | Promise<Transport>])[] = [
  ["Connect over HTTP/1.1", () => createConnectTransport({ baseUrl: url, httpVersion: "1.1" })],
  ["Connect over HTTP/2", () => createConnectTransport({ baseUrl: url, httpVersion: "2" })],
  ["gRPC-Web", () => createGrpcWebTransport({ baseUrl: url, httpVersion: "1.1" })],
  ["gRPC", () => createGrpcTransport({ baseUrl: url })],
  ["ttrpc", () => connected(plugin.address)],
  ["a WebSocket", () => connected(plugin.address.replace("tcp:", "ws://"))],
];

/** How the next call fails. */
async function refusal(call: () => Promise<unknown>): Promise<ConnectError> {
  const thrown = await call().then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(ConnectError);
  return ConnectError.from(thrown);
}

async function* oneMessage() {
  yield {};
}

function callsOfEachKind(client: Client<typeof BehaviourService>, headers: Record<string, string>) {
  return {
    unary: () => client.inspect({}, { headers }),
    server_streaming: () => Array.fromAsync(client.produce({ count: 1 }, { headers })),
    client_streaming: () => client.collect(oneMessage(), { headers }),
  };
}

describe.each(ways)("over %s", (_name, open) => {
  test("a caller's calls beyond its burst are refused with the time to wait, for each method alone", async () => {
    const client = createClient(BehaviourService, await open());
    const headers = { "X-Caller": randomUUID() };
    for (const [kind, call] of Object.entries(callsOfEachKind(client, headers))) {
      await call();
      await call();
      const error = await refusal(call);
      expect(error, kind).toMatchObject({
        code: Code.ResourceExhausted,
        rawMessage: "the caller's rate limit for this method is exceeded",
      });
      expect(error.metadata.get("Retry-After"), kind).toMatch(/^([1-9]\d?|100)$/);
    }
  });

  test("another caller has calls of its own", async () => {
    const client = createClient(BehaviourService, await open());
    const first = { "X-Caller": randomUUID() };
    const second = { "X-Caller": randomUUID() };
    await client.inspect({}, { headers: first });
    await client.inspect({}, { headers: first });
    await refusal(() => client.inspect({}, { headers: first }));
    await client.inspect({}, { headers: second });
  });

  test("health checks are never refused", async () => {
    const client = createClient(Health, await open());
    const headers = { "X-Caller": randomUUID() };
    for (let count = 0; count < 10; count++) {
      expect(await client.check({}, { headers })).toMatchObject({ status: 1 });
    }
  });
});

test("callers without a name are told apart by their address, whatever they come by", async () => {
  const [first, , ...others] = await Promise.all(ways.map(([, open]) => open()));
  if (first === undefined) {
    throw new Error("there are ways");
  }
  const fail = (transport: Transport) =>
    createClient(BehaviourService, transport).fail({ message: "as asked", code: 5 });
  // It is the handler that responds so.
  expect(await refusal(() => fail(first))).toMatchObject({ code: Code.NotFound });
  expect(await refusal(() => fail(first))).toMatchObject({ code: Code.NotFound });
  for (const transport of [first, ...others]) {
    expect(await refusal(() => fail(transport))).toMatchObject({ code: Code.ResourceExhausted });
  }
  const elsewhere = createConnectTransport({
    baseUrl: url,
    httpVersion: "1.1",
    nodeOptions: { localAddress: "127.0.0.2" },
  });
  expect(await refusal(() => fail(elsewhere))).toMatchObject({ code: Code.NotFound });
});

test("a call is refused before anything of its message is there, with the status and the header of HTTP", async () => {
  const caller = randomUUID();
  const post = () =>
    request(`${url}/plugboard.test.v1.BehaviourService/Echo`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Caller": caller, "Transfer-Encoding": "chunked" },
      agent: false,
    });
  for (let count = 0; count < 2; count++) {
    const taken = post();
    taken.end("{}");
    const [{ statusCode }] = await once(taken, "response");
    expect(statusCode).toBe(200);
  }
  const refused = post();
  refused.flushHeaders();
  const [response] = await once(refused, "response");
  expect(response.statusCode).toBe(429);
  expect(response.headers["retry-after"]).toMatch(/^\d+$/);
  expect(await json(response)).toEqual({
    code: "resource_exhausted",
    message: "the caller's rate limit for this method is exceeded",
  });
  refused.destroy();
});

test("a name that is long is as good as a short one", async () => {
  const client = createClient(BehaviourService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
  const name = "a".repeat(5_000);
  const [first, second] = [{ "X-Caller": `${name}1` }, { "X-Caller": `${name}2` }];
  await client.inspect({}, { headers: first });
  await client.inspect({}, { headers: first });
  await refusal(() => client.inspect({}, { headers: first }));
  await client.inspect({}, { headers: second });
});

test("those who have no address count as one caller", async () => {
  await using host = new Host();
  const one = await host.load({ command });
  const client = one.client(BehaviourService);
  await client.echo({});
  await using other = await connect(one.routes.unary.routes[0]?.endpoint.address.text ?? "");
  await other.client(BehaviourService).echo({});
  await expect(client.echo({})).rejects.toMatchObject({ code: Code.ResourceExhausted });
});

test.each([
  [{ perSecond: 0, burst: 1 }, "perSecond is 0; allowed is 0.001 to 1000000"],
  [{ perSecond: Number.NaN, burst: 1 }, "perSecond is NaN; allowed is 0.001 to 1000000"],
  [{ perSecond: 1, burst: 0.5 }, "burst is 0.5; allowed is 1 to 1000000000"],
  [{ perSecond: 1, burst: Number.POSITIVE_INFINITY }, "burst is Infinity; allowed is 1 to 1000000000"],
])("the rate %o is refused where it is given", (rate, message) => {
  try {
    memoryRateLimit(rate);
    expect.unreachable();
  } catch (error) {
    expect(isPlugboardError(error, "PB-RATE-LIMIT-INVALID")).toBe(true);
    expect(String(error)).toContain(message);
  }
});
