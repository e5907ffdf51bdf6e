import { setImmediate } from "node:timers/promises";
import type { Transport } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createMemoryTransport } from "../../../src/memory/memory-transport.ts";
import { createServiceTable } from "../../../src/plugin/service-table.ts";
import { createTtrpcClient } from "../../../src/ttrpc/client/client.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { connectTtrpc, serveTtrpc } from "../../support/ttrpc/local-ttrpc.ts";

const { echo, produce } = BehaviourService.method;

function routes(router: Parameters<Parameters<typeof serveTtrpc>[0]>[0]) {
  router.service(BehaviourService, {
    echo: ({ text }) => ({ text }),
    async *produce() {
      yield {};
    },
  });
}

const stream = async (transport: Transport, requests: AsyncIterable<object>) => {
  const { message } = await transport.stream(produce, undefined, undefined, undefined, requests);
  return Array.fromAsync(message);
};

test("a message that can't be written rejects its call, and is not thrown at who makes it", async () => {
  await using server = await serveTtrpc(routes);
  using client = connectTtrpc(server.path);
  await client.plain.unary(echo, undefined, undefined, undefined, { text: "opens the connection" });
  // What no compiler has seen.
  const broken: { text: string } = JSON.parse('{ "text": 5 }');
  const call = client.plain.unary(echo, undefined, undefined, undefined, broken);
  await expect(call).rejects.toMatchObject({ code: Code.Internal });
});

test.each([
  ["no request message", 0, "missing"],
  ["two of them", 2, "more than one"],
])("a method that takes one has the same error for %s in process and over ttrpc", async (_, count, what) => {
  async function* requests() {
    yield* Array.from({ length: count }, () => ({}));
  }
  await using server = await serveTtrpc(routes);
  using client = connectTtrpc(server.path);
  const memory = createMemoryTransport(createServiceTable([routes]), 100);
  for (const transport of [memory.transport, client.plain, client.extended]) {
    await expect(stream(transport, requests())).rejects.toMatchObject({
      code: Code.Unimplemented,
      message: expect.stringContaining(what),
    });
  }
});

test("a client that is closed opens no connection for a call that has yet to get its request", async () => {
  let opened = 0;
  const client = createTtrpcClient({
    address: "nowhere",
    maxMessageBytes: 1024,
    async open() {
      opened += 1;
      return { wholeFrames: true, start() {}, send: () => true, close() {} };
    },
  });
  const { promise: given, resolve: give } = Promise.withResolvers<void>();
  let ended = false;
  async function* request() {
    try {
      await given;
      yield {};
    } finally {
      ended = true;
    }
  }
  const call = stream(client.plain, request()).catch((error: unknown) => error);
  client.close(new Error("closed by its user"));
  expect(await call).toMatchObject({ message: expect.stringContaining("closed by its user") });
  give();
  await setImmediate();
  expect(ended).toBe(true);
  expect(opened).toBe(0);
  await expect(client.plain.unary(echo, undefined, undefined, undefined, {})).rejects.toThrow("closed by its user");
});
