import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create } from "@bufbuild/protobuf";
import { expect, test, vi } from "vitest";
import { createMessageQueue } from "../../../src/ttrpc/wire/message-queue.ts";
import { BehaviourService, ProduceRequestSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { connectTtrpc, serveTtrpc } from "../../support/ttrpc/local-ttrpc.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

test("a message that was read is let go of, though others wait", async () => {
  const queue = createMessageQueue(() => {});
  const read = await (async () => {
    queue.push(new Uint8Array(1024));
    queue.push(new Uint8Array(1024));
    const message = await queue.next();
    return new WeakRef(message ?? {});
  })();
  await setImmediate();
  await vi.waitFor(() => {
    collectGarbage();
    expect(read.deref()).toBeUndefined();
  });
  expect(queue.weight).toBeGreaterThan(1024);
});

test("messages come out in their order, however many wait", async () => {
  const queue = createMessageQueue(() => {});
  let pushed = 0;
  const push = (count: number) => {
    for (const end = pushed + count; pushed < end; pushed++) {
      queue.push(Uint8Array.of(pushed >> 8, pushed & 255));
    }
  };
  push(3000);
  let read = 0;
  const take = async (count: number) => {
    for (const end = read + count; read < end; read++) {
      const [high = 0, low = 0] = (await queue.next()) ?? [];
      expect((high << 8) | low).toBe(read);
    }
  };
  await take(1600);
  push(2000);
  await take(3400);
  expect(queue.weight).toBe(0);
});

test("who asks for several messages at once gets each of them, and then the end", async () => {
  const { promise: areAsked, resolve: goOn } = Promise.withResolvers<void>();
  await using server = await serveTtrpc((router) => {
    router.rpc(BehaviourService.method.produce, async function* () {
      yield { index: 0 };
      await areAsked;
      yield { index: 1 };
    });
  });
  using client = connectTtrpc(server.path);
  async function* request() {
    yield create(ProduceRequestSchema);
  }
  const { message } = await client.extended.stream(
    BehaviourService.method.produce,
    undefined,
    undefined,
    undefined,
    request(),
  );
  const responses = message[Symbol.asyncIterator]();
  const asked = Array.from({ length: 5 }, () => responses.next());
  goOn();
  expect((await Promise.all(asked)).map(({ done, value }) => (done ? "end" : value?.index))).toEqual([
    0,
    1,
    "end",
    "end",
    "end",
  ]);
});

test("all who wait are told when a stream fails", async () => {
  const queue = createMessageQueue(() => {});
  const waiting = [queue.next(), queue.next(), queue.next()];
  queue.fail(new Error("over"));
  for (const { reason } of (await Promise.allSettled(waiting)) as PromiseRejectedResult[]) {
    expect(reason).toMatchObject({ message: "over" });
  }
});
