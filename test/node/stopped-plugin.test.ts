import { Code } from "@connectrpc/connect";
import type { Requirements } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test, vi } from "vitest";
import { BehaviourService } from "../../src/gen/plugboard/test/v1/behaviour_pb.ts";
import { startStandalone } from "./standalone.ts";

const serveBehaviour = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;

describe.each<[string, Requirements]>([
  ["ttrpc", { protocols: ["ttrpc"] }],
  ["gRPC", { protocols: ["grpc"] }],
  ["Connect over HTTP/2", { protocols: ["connect"], httpVersion: "2" }],
  ["Connect over HTTP/1.1", { protocols: ["connect"], httpVersion: "1.1" }],
])("when a plugin process ends, over %s", (_, require) => {
  /** Calls of every kind that the route carries, each of which the plugin has begun. `goOn` lets the streams end well. */
  async function startCalls(address: string) {
    const connection = await connect(address, { require });
    const client = connection.client(BehaviourService);
    const { promise: more, resolve: goOn } = Promise.withResolvers<void>();
    async function* twoMessages(id: string) {
      yield { id };
      await more;
      yield { id };
    }
    const readProduced = async () => {
      let count = 0;
      for await (const _message of client.produce({ id: "produce", count: 200, size: 50_000 })) {
        await more;
        count++;
      }
      return count;
    };
    const carriesBoth = require.httpVersion !== "1.1";
    const streams = {
      produce: readProduced(),
      collect: client.collect(twoMessages("collect")).then(({ messages }) => messages),
      ...(carriesBoth && {
        converse: Array.fromAsync(client.converse(twoMessages("converse"))).then((all) => all.length),
      }),
    };
    const calls = { hang: client.hang({ id: "hang" }), ...streams };
    const outcomes = Promise.allSettled(Object.values(calls));
    for (const id of Object.keys(calls)) {
      await vi.waitFor(async () => expect(await client.watch({ id })).toMatchObject({ started: true }));
    }
    return { connection, goOn, hang: calls.hang, streams: Object.values(streams), outcomes };
  }

  test("by SIGTERM, calls that end within the grace period end well; what is left then is unavailable", async () => {
    const plugin = await startStandalone(serveBehaviour, "tcp:127.0.0.1:0");
    const calls = await startCalls(plugin.address);
    await using _connection = calls.connection;
    plugin.signal("SIGTERM");
    calls.goOn();
    expect(await Promise.all(calls.streams)).toEqual([200, 2, 2].slice(0, require.httpVersion === "1.1" ? 2 : 3));
    await expect(calls.hang).rejects.toMatchObject({ code: Code.Unavailable });
    expect(await plugin.exited).toBe(0);
  }, 30_000);

  test("by SIGKILL, calls of every kind are unavailable", async () => {
    const plugin = await startStandalone(serveBehaviour, "tcp:127.0.0.1:0");
    const calls = await startCalls(plugin.address);
    await using _connection = calls.connection;
    await plugin.stop("SIGKILL");
    calls.goOn();
    for (const outcome of await calls.outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: Code.Unavailable } });
    }
  });
});
