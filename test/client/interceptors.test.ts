import type { Interceptor } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import { clientError } from "../../src/client/errors.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { startRpcServer } from "../support/local-server.ts";

test("a call that reached a plugin is not repeated when an interceptor fails to reach another", async () => {
  let calls = 0;
  const plugin = definePlugin({
    name: "counting",
    version: "1.0.0",
    routes(router) {
      router.service(MarkdownService, {
        render() {
          calls += 1;
          return {};
        },
      });
    },
  });
  const audit: Interceptor = (next) => async (request) => {
    await next(request);
    throw clientError("PB-DIAL-FAILED", "the audit plugin is down");
  };
  // Two places of the same plugin, so that there is a route to go on with.
  await using connection = await connect([plugin, plugin], { interceptors: [audit] });
  expect(connection.routes.unary.routes).toHaveLength(2);
  await expect(connection.client(MarkdownService).render({})).rejects.toMatchObject({ errorCode: "PB-DIAL-FAILED" });
  expect(calls).toBe(1);
});

test("a call runs through the caller's interceptors once, however many routes it tries", async () => {
  const seen: string[] = [];
  const record: Interceptor = (next) => (request) => {
    seen.push(request.method.name);
    return next(request);
  };
  await using first = await startRpcServer({ place: "unix", httpVersion: "2" });
  await using second = await startRpcServer({ place: "tcp", httpVersion: "2" });
  await using connection = await connect([first.address, second.address], { interceptors: [record] });
  seen.length = 0;
  await first.takeAway();
  const client = connection.client(BehaviourService);
  await client.echo({});
  await Array.fromAsync(client.produce({ count: 1 }));
  expect(second.calls).toEqual(["Echo", "Produce"]);
  expect(seen).toEqual(["Echo", "Produce"]);
});

test("an interceptor changes request and response, and sees streams", async () => {
  const shout: Interceptor = (next) => async (request) => {
    request.header.set("x-behaviour", "from the interceptor");
    const response = await next(request);
    response.header.set("x-seen", "yes");
    return response;
  };
  await using server = await startRpcServer({
    place: "unix",
    httpVersion: "2",
    routes(router) {
      router.rpc(BehaviourService.method.inspect, (_, { requestHeader }) => ({
        header: requestHeader.get("x-behaviour") ?? "",
      }));
    },
  });
  await using connection = await connect(server.address, { interceptors: [shout] });
  const seen: Headers[] = [];
  const onHeader = (header: Headers) => seen.push(header);
  const response = await connection.client(BehaviourService).inspect({}, { onHeader, timeoutMs: 10_000 });
  expect(response.header).toBe("from the interceptor");
  expect(seen[0]?.get("x-seen")).toBe("yes");
});

test("an interceptor's signal is aborted at the call's deadline", async () => {
  const waitForEver: Interceptor = (next) => (request) =>
    request.method.name === "Echo"
      ? new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason)))
      : next(request);
  await using server = await startRpcServer({ place: "unix", httpVersion: "2" });
  await using connection = await connect(server.address, { interceptors: [waitForEver] });
  await expect(connection.client(BehaviourService).echo({}, { timeoutMs: 50 })).rejects.toMatchObject({
    code: Code.DeadlineExceeded,
  });
});
