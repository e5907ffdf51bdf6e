import type { Interceptor } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

test("an interceptor's response is closed when its caller has gone, and the platform waits no longer", async () => {
  const reading = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const left: string[] = [];
  const late: Interceptor = (next) => async (request) => {
    const response = await next(request);
    if (!response.stream) {
      return response;
    }
    const messages = response.message[Symbol.asyncIterator]();
    const first = await messages.next();
    reading.resolve();
    await gate.promise;
    const message = {
      next: async () => first,
      async return() {
        left.push("interceptor");
        await messages.return?.();
        return { done: true as const, value: undefined };
      },
      [Symbol.asyncIterator]: () => message,
    };
    return { ...response, message };
  };
  const plugin = definePlugin({
    name: "late",
    version: "1.0.0",
    interceptors: [late],
    routes: (router) =>
      router.service(BehaviourService, {
        async *produce() {
          try {
            yield { index: 0 };
            yield { index: 1 };
          } finally {
            left.push("handler");
          }
        },
      }),
  });
  const running: Promise<unknown>[] = [];
  const caller = new AbortController();
  const request = new Request("https://late.test/plugboard.test.v1.BehaviourService/Produce", {
    method: "POST",
    headers: { "Content-Type": "application/connect+json" },
    body: Uint8Array.of(0, 0, 0, 0, 2, 0x7b, 0x7d),
    signal: caller.signal,
  });
  const context = { waitUntil: (each: Promise<unknown>) => void running.push(each), passThroughOnException() {} };
  const responding = edge(plugin).fetch(request, {}, context as never);
  await reading.promise;
  caller.abort();
  const response = await Promise.resolve(responding).catch(() => undefined);
  await response?.text().catch(() => undefined);
  gate.resolve();
  await Promise.all(running);
  expect(left).toEqual(["interceptor", "handler"]);
});
