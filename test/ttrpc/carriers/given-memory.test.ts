import { once } from "node:events";
import * as net from "node:net";
import { createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { socketCarrier } from "../../../src/ttrpc/carriers/socket.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { connectTtrpc, listen, serveTtrpc } from "../../support/ttrpc/local-ttrpc.ts";

// Large messages are sent from memory that is given back once it has left. What a user can see must never be that memory.

const bytes = 100_000;

/** Data whose bytes tell which message it belongs to. */
const filled = (value: number) => new Uint8Array(bytes).fill(value);

function expectFilled(data: Uint8Array | undefined, value: number) {
  expect(data?.byteLength).toBe(bytes);
  expect(data?.every((byte) => byte === value)).toBe(true);
}

test("a handler may keep a message that it has sent, and send it again", async () => {
  const response = { $typeName: "plugboard.test.v1.ProduceResponse" as const, index: 0, data: filled(1) };
  await using server = await serveTtrpc((router) => {
    router.service(BehaviourService, {
      async *produce({ count }) {
        for (let index = 0; index < count; index++) {
          response.index = index;
          response.data.fill(index);
          yield response;
        }
      },
    });
  });
  using connection = connectTtrpc(server.path);
  const client = createClient(BehaviourService, connection.extended);
  let next = 0;
  for await (const { index, data } of client.produce({ count: 20 })) {
    expect(index).toBe(next);
    expectFilled(data, next);
    next += 1;
  }
  expect(next).toBe(20);
  expectFilled(response.data, 19);
});

test("a caller may send the same message again and again, and the handler keep what it got", async () => {
  const got: Uint8Array[] = [];
  await using server = await serveTtrpc((router) => {
    router.service(BehaviourService, {
      async collect(requests) {
        for await (const { data } of requests) {
          got.push(data);
        }
        return { messages: got.length };
      },
    });
  });
  using connection = connectTtrpc(server.path);
  const client = createClient(BehaviourService, connection.extended);
  const data = filled(0);
  async function* requests() {
    for (let index = 0; index < 20; index++) {
      data.fill(index);
      yield { data };
    }
  }
  expect(await client.collect(requests())).toMatchObject({ messages: 20 });
  for (const [index, each] of got.entries()) {
    expectFilled(each, index);
  }
  expectFilled(data, 19);
});

/** A socket whose other end reads all that comes. */
async function socketPair(onData: (chunk: Buffer) => void) {
  const server = await listen((socket) => socket.on("data", onData));
  const socket = net.connect(server.path);
  await once(socket, "connect");
  return { socket, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test("memory that is given to a socket is given back when it has left, and no other", async () => {
  const { promise: allCame, resolve: onAll } = Promise.withResolvers<void>();
  let came = 0;
  await using pair = await socketPair((chunk) => {
    came += chunk.byteLength;
    if (came === 2 * bytes) {
      onAll();
    }
  });
  const carrier = socketCarrier(pair.socket);
  const given = filled(1);
  const kept = filled(2);
  carrier.send(given, true);
  carrier.send(kept);
  await allCame;
  await expect.poll(() => given.byteLength).toBe(0);
  expectFilled(kept, 2);
  pair.socket.destroy();
});

test("memory whose write has failed is left alone", async () => {
  await using pair = await socketPair(() => undefined);
  const carrier = socketCarrier(pair.socket);
  carrier.start({ receive() {}, unreadable() {}, drained() {}, ended() {} });
  pair.socket.destroy();
  const given = filled(1);
  carrier.send(given, true);
  await once(pair.socket, "close");
  expectFilled(given, 1);
});
