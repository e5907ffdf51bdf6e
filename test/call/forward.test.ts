import { createContextValues } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { connect, definePlugin, forward, requestIdOf } from "plugboard";
import { connect as connectFromNode } from "plugboard/node";
import { describe, expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { listenLocally } from "../support/local-listener.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** Adds what it sees of its call to what the next hop has seen. */
function hop(name: string, next?: () => Connection) {
  return definePlugin({
    name,
    version: "1.0.0",
    routes(router) {
      router.rpc(BehaviourService.method.echo, async (_, call) => {
        const { requestHeader, timeoutMs, protocolName } = call;
        const seen = {
          protocol: protocolName,
          requestId: requestIdOf(call),
          traceparent: requestHeader.get("traceparent"),
          tracestate: requestHeader.get("tracestate"),
          authorization: requestHeader.get("authorization"),
          timeoutMs: timeoutMs(),
        };
        const after = next === undefined ? "[]" : (await next().client(BehaviourService).echo({}, forward(call))).text;
        return { text: JSON.stringify([seen, ...JSON.parse(after)]) };
      });
      router.rpc(BehaviourService.method.hang, async (_, call) => {
        if (next !== undefined) {
          return next().client(BehaviourService).hang({}, forward(call));
        }
        arrived.resolve();
        await new Promise((resolve) => call.signal.addEventListener("abort", resolve));
        gone.resolve();
        return {};
      });
    },
  });
}

let arrived = Promise.withResolvers<void>();
let gone = Promise.withResolvers<void>();

/** gRPC, then ttrpc, then Connect, then in the same process. */
async function openChain() {
  const stack = new AsyncDisposableStack();
  const fourth = stack.use(await connect(hop("fourth")));
  let next = fourth;
  for (const [name, protocol] of [
    ["third", "connect"],
    ["second", "ttrpc"],
    ["first", "grpc"],
  ] as const) {
    const to = next;
    const listener = stack.use(
      await listenLocally(
        hop(name, () => to),
        "unix",
      ),
    );
    next = stack.use(await connectFromNode(listener.address, { require: { protocols: [protocol] } }));
  }
  return { client: next.client(BehaviourService), stack };
}

describe("through four hops over gRPC, ttrpc, Connect and memory", () => {
  test("forward() passes on the request's id, its trace and what is left of its time, and no credentials", async () => {
    const { client, stack } = await openChain();
    await using _ = stack;
    const headers = {
      "X-Request-Id": "request-7",
      traceparent,
      tracestate: "vendor=1",
      Authorization: "Bearer s3cret",
    };
    const { text } = await client.echo({}, { headers, timeoutMs: 60_000 });
    const seen: { timeoutMs: number; protocol: string }[] = JSON.parse(text);
    const common = { requestId: "request-7", traceparent, tracestate: "vendor=1" };
    expect(seen).toMatchObject([
      { ...common, protocol: "grpc", authorization: "Bearer s3cret" },
      { ...common, protocol: "ttrpc", authorization: null },
      { ...common, protocol: "connect", authorization: null },
      { ...common, protocol: "memory", authorization: null },
    ]);
    for (const { timeoutMs } of seen) {
      expect(timeoutMs).toBeGreaterThan(0);
      expect(timeoutMs).toBeLessThanOrEqual(60_000);
    }
  });

  test("a request that comes without an id has the one that its first hop has made", async () => {
    const { client, stack } = await openChain();
    await using _ = stack;
    const { text } = await client.echo({});
    const ids: string[] = JSON.parse(text).map(({ requestId }: { requestId: string }) => requestId);
    expect(ids[0]).toMatch(/^[\da-f-]{36}$/);
    expect(new Set(ids).size).toBe(1);
    expect(JSON.parse(text)[3]).toMatchObject({ traceparent: null });
  });

  test("cancelling the first call cancels the last", async () => {
    arrived = Promise.withResolvers();
    gone = Promise.withResolvers();
    const { client, stack } = await openChain();
    await using _ = stack;
    const controller = new AbortController();
    const call = client.hang({}, { signal: controller.signal });
    call.catch(() => undefined);
    await arrived.promise;
    controller.abort();
    await gone.promise;
    await expect(call).rejects.toThrow();
  });
});

test("a call whose time is up goes on with a deadline, not without one", () => {
  const { signal } = new AbortController();
  const call = { values: createContextValues(), requestHeader: new Headers(), signal };
  expect(forward({ ...call, timeoutMs: () => -5 }).timeoutMs).toBe(1);
  expect(forward({ ...call, timeoutMs: () => undefined })).not.toHaveProperty("timeoutMs");
});
