import { setTimeout } from "node:timers/promises";
import { definePlugin } from "plugboard";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { listenLocally } from "../support/local-listener.ts";

test.each([
  ["ttrpc", undefined],
  ["connect", "1.1"],
  ["grpc", "2"],
] as const)(
  "over %s, a plugin's stop hook runs after handlers that go on after their calls",
  async (protocol, httpVersion) => {
    const done: string[] = [];
    const { promise: started, resolve: onStart } = Promise.withResolvers<void>();
    const { promise: aborted, resolve: onAbort } = Promise.withResolvers<void>();
    const plugin = definePlugin({
      name: "tidy",
      version: "1.0.0",
      routes(router) {
        router.service(BehaviourService, {
          async hang(_request, { signal }) {
            const ended = new Promise((resolve) => signal.addEventListener("abort", resolve));
            onStart();
            await ended;
            onAbort();
            // It has to clean up.
            await setTimeout(100);
            done.push("handler");
            return {};
          },
        });
      },
      stop() {
        done.push("stop hook");
      },
    });
    const listener = await listenLocally(plugin, "tcp");
    {
      await using connection = await connect(listener.address, {
        require: { protocols: [protocol], ...(httpVersion && { httpVersion }) },
      });
      const calling = new AbortController();
      const call = connection.client(BehaviourService).hang({}, { signal: calling.signal });
      await started;
      calling.abort();
      await expect(call).rejects.toThrow();
      await aborted;
    }
    await listener[Symbol.asyncDispose]();
    expect(done).toEqual(["handler", "stop hook"]);
  },
);
