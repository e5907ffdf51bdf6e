import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";
import type { Interceptor } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { definePlugin, serveOn } from "plugboard";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { listenLocally } from "../support/local-listener.ts";

/** A plugin whose interceptor holds each call until that has ended, and tells when it has let it go on. */
function createSlowPlugin() {
  const handled: string[] = [];
  const letGo = Promise.withResolvers<void>();
  const untilEnded: Interceptor = (next) => async (request) => {
    if (!request.signal.aborted) {
      await once(request.signal, "abort");
    }
    try {
      return await next(request);
    } finally {
      letGo.resolve();
    }
  };
  const plugin = definePlugin({
    name: "slow",
    version: "1.0.0",
    routes(router) {
      router.service(
        BehaviourService,
        {
          echo() {
            handled.push("echo");
            return {};
          },
          async collect() {
            handled.push("collect");
            return {};
          },
          async *produce() {
            handled.push("produce");
            yield {};
          },
          async *converse() {
            handled.push("converse");
            yield {};
          },
        },
        { interceptors: [untilEnded] },
      );
    },
  });
  return { plugin, handled, letGo: letGo.promise };
}

async function* one() {
  yield {};
}

const listening = (protocol: "ttrpc" | "grpc" | "connect") => async (plugin: ReturnType<typeof definePlugin>) => {
  const listener = await listenLocally(plugin, "unix");
  const connection = await connect(listener.address, { require: { protocols: [protocol] } });
  return { connection, close: () => listener[Symbol.asyncDispose]() };
};

test.each<
  [string, (plugin: ReturnType<typeof definePlugin>) => Promise<{ connection: Connection; close?(): unknown }>]
>([
  ["memory", async (plugin) => ({ connection: await connect(plugin) })],
  [
    "message-port+ttrpc",
    async (plugin) => {
      const { port1, port2 } = new MessageChannel();
      const served = await serveOn(plugin, port1);
      return { connection: await connect(port2), close: served.close };
    },
  ],
  ["unix+ttrpc", listening("ttrpc")],
  ["unix+grpc", listening("grpc")],
  ["unix+connect", listening("connect")],
])("over %s, no handler begins for a call that has ended while its interceptors ran", async (_, open) => {
  for (const method of ["echo", "produce", "collect", "converse"] as const) {
    const { plugin, handled, letGo } = createSlowPlugin();
    const { connection, close } = await open(plugin);
    const client = connection.client(BehaviourService);
    const options = { timeoutMs: 100 };
    const call = {
      echo: () => client.echo({}, options),
      produce: () => Array.fromAsync(client.produce({}, options)),
      collect: () => client.collect(one(), options),
      converse: () => Array.fromAsync(client.converse(one(), options)),
    }[method]();
    await expect(call).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    await letGo;
    expect(handled).toEqual([]);
    await connection.close();
    await close?.();
  }
});
