import { setTimeout } from "node:timers/promises";
import { MessageChannel } from "node:worker_threads";
import { Code } from "@connectrpc/connect";
import { connect, definePlugin, serveOn } from "plugboard";
import { expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

/** A plugin that is served on a port, with a call in flight whose handler takes 100 ms, whatever becomes of the call. */
async function openBusy(gracePeriodMs?: number) {
  const done: string[] = [];
  const { promise: started, resolve: onStart } = Promise.withResolvers<void>();
  const plugin = definePlugin({
    name: "busy",
    version: "1.0.0",
    routes(router) {
      router.service(BehaviourService, {
        async echo({ text }) {
          onStart();
          await setTimeout(100);
          done.push("handler");
          return { text };
        },
      });
    },
    stop() {
      done.push("stop hook");
    },
  });
  const { port1, port2 } = new MessageChannel();
  const served = await serveOn(plugin, port1, gracePeriodMs === undefined ? {} : { gracePeriodMs });
  const connection = await connect(port2);
  const call = connection.client(BehaviourService).echo({ text: "done" });
  const outcome = call.catch((error: unknown) => error);
  await started;
  return { served, connection, outcome, done };
}

test("a plugin whose caller has gone is stopped after its last handler", async () => {
  const { served, connection, done } = await openBusy();
  await connection.close();
  await served.closed;
  expect(done).toEqual(["handler", "stop hook"]);
});

test.each([Number.POSITIVE_INFINITY, 2 ** 31, 3_000_000_000])(
  "a grace period of %d ms is none of one millisecond",
  async (ms) => {
    const { served, connection, outcome, done } = await openBusy(ms);
    await served.close();
    expect(await outcome).toMatchObject({ text: "done" });
    expect(done).toEqual(["handler", "stop hook"]);
    await connection.close();
  },
);

test("a handler that does not heed its signal does not keep a plugin from stopping", async () => {
  const plugin = definePlugin({
    name: "deaf",
    version: "1.0.0",
    routes(router) {
      router.service(BehaviourService, { hang: () => new Promise(() => {}) });
    },
  });
  const { port1, port2 } = new MessageChannel();
  const served = await serveOn(plugin, port1, { gracePeriodMs: 0 });
  const connection = await connect(port2);
  const call = connection.client(BehaviourService).hang({});
  call.catch(() => undefined);
  await served.close();
  await expect(call).rejects.toMatchObject({ code: Code.Unavailable });
  await connection.close();
});

test("a plugin is closed once, however often it is told so", async () => {
  const { served, connection, done } = await openBusy();
  const closing = served.close();
  expect(served.close()).toBe(closing);
  expect(served[Symbol.asyncDispose]()).toBe(closing);
  await closing;
  expect(done).toEqual(["handler", "stop hook"]);
  await connection.close();
});

test.each([Number.NaN, -1])("a grace period of %d ms is refused", async (gracePeriodMs) => {
  const plugin = definePlugin({ name: "empty", version: "1.0.0", routes: () => {} });
  await expect(serveOn(plugin, new MessageChannel().port1, { gracePeriodMs })).rejects.toMatchObject({
    errorCode: "PB-LIMIT-INVALID",
    message: expect.stringContaining("gracePeriodMs is "),
  });
});
