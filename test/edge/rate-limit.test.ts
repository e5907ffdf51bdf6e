import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { bindingRateLimit, edge } from "plugboard/edge";
import { connect } from "plugboard/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import behaviour from "../behaviour/plugin.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import type { LocalWorker } from "../support/local-worker.ts";
import { startWorker } from "../support/local-worker.ts";

/** As many calls as the binding lets through in one of its periods of 60 s. */
const limit = 5;

let worker: LocalWorker;
beforeAll(async () => {
  worker = await startWorker(
    "test/edge/fixtures/limited.ts",
    { TEXT: "no binding" },
    { ratelimits: [{ name: "RATE_LIMITER", namespace_id: "1001", simple: { limit, period: 60 } }] },
  );
}, 60_000);
afterAll(() => worker?.stop());

/**
 * Calls until one is refused. A new period may begin while the test runs, hence up to twice the limit get through.
 */
async function refusal(call: () => Promise<unknown>): Promise<ConnectError> {
  for (let count = 0; count <= 2 * limit; count++) {
    try {
      await call();
    } catch (error) {
      expect(count).toBeGreaterThanOrEqual(limit);
      return ConnectError.from(error);
    }
  }
  throw new Error("all calls got through");
}

const ways: readonly (readonly [name: string, open: (path?: string) => Transport])[] = [
  ["Connect", (path = "") => createConnectTransport({ baseUrl: worker.url + path, httpVersion: "1.1" })],
  ["gRPC-Web", (path = "") => createGrpcWebTransport({ baseUrl: worker.url + path, httpVersion: "1.1" })],
];

describe.each(ways)("a Worker with a rate limiting binding, over %s", (name, open) => {
  test("refuses a caller's calls beyond the limit with the period to wait, and no other's", async () => {
    const client = createClient(BehaviourService, open("/short"));
    const headers = { "X-Caller": `${name} 1` };
    const error = await refusal(() => client.inspect({}, { headers }));
    expect(error).toMatchObject({
      code: Code.ResourceExhausted,
      rawMessage: "the caller's rate limit for this method is exceeded",
    });
    expect(error.metadata.get("Retry-After")).toBe("10");
    await client.inspect({}, { headers: { "X-Caller": `${name} 2` } });
    await client.echo({}, { headers });
  });

  test("refuses streams, too", async () => {
    const client = createClient(BehaviourService, open("/short"));
    const headers = { "X-Caller": name };
    const error = await refusal(() => Array.fromAsync(client.produce({ count: 1 }, { headers })));
    expect(error).toMatchObject({ code: Code.ResourceExhausted });
    expect(error.metadata.get("Retry-After")).toBe("10");
  });

  test("always serves health checks", async () => {
    const client = createClient(Health, open());
    for (let count = 0; count <= 2 * limit; count++) {
      expect(await client.check({})).toMatchObject({ status: 1 });
    }
  });
});

test("refuses calls over a WebSocket, also for who has called over HTTP", async () => {
  await using connection = await connect(worker.url.replace("http:", "ws:"));
  const client = connection.client(BehaviourService);
  const error = await refusal(() => client.echo({}));
  expect(error).toMatchObject({ code: Code.ResourceExhausted });
  expect(error.metadata.get("Retry-After")).toBe("60");
  expect(await refusal(() => Array.fromAsync(client.produce({ count: 1 })))).toMatchObject({
    code: Code.ResourceExhausted,
  });
});

test("responds with 429 and Retry-After before the body has ended", async () => {
  const post = (body: string | ReadableStream<Uint8Array>) => {
    const init: RequestInit & { duplex: "half" } = {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Caller": "without an end" },
      body,
      duplex: "half",
    };
    return fetch(`${worker.url}/short/plugboard.test.v1.BehaviourService/Echo`, init);
  };
  const taken = async () => {
    const response = await post("{}");
    if (response.status !== 200) {
      throw new Error(await response.text());
    }
  };
  const endless = () => post(new ReadableStream({ start: (body) => body.enqueue(Uint8Array.of(0x7b)) }));
  await refusal(taken);
  let response = await endless();
  if (response.status !== 429) {
    // A new period has begun just then.
    await refusal(taken);
    response = await endless();
  }
  expect(response.status).toBe(429);
  expect(response.headers.get("Retry-After")).toBe("10");
});

test.each(["unbound", "text"])("does not serve at all without the binding (%s)", async (path) => {
  const response = await fetch(`${worker.url}/${path}/plugboard.test.v1.BehaviourService/Echo`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: "{}",
  });
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({ code: "internal", message: "the plugin can't start; its log says why" });
});

test("lets no call pass when the binding fails, and says nothing of the reason", async () => {
  const app = edge(behaviour, { rateLimit: bindingRateLimit("RATE_LIMITER") });
  const failing = { limit: () => Promise.reject(new Error("the password is swordfish")) };
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };
  const path = "/plugboard.test.v1.BehaviourService/Echo";
  const response = await app.request(path, init, { RATE_LIMITER: failing });
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({ code: "internal", message: "internal error" });
});
