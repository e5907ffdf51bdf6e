/** go-plugin's example bidirectional, as a plugin: adds by a service that the host offers. */
import { readFile, writeFile } from "node:fs/promises";
import { createClient } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { serve } from "plugboard/node";
import { AddHelper, Counter } from "../../../gen/interop/goplugin/examples_pb.ts";

const read = async (key: string) => BigInt(await readFile(`counter_${key}`, "utf8").catch(() => "0"));

const plugin = definePlugin({
  name: "counter",
  version: "1.0.0",
  routes(router, { broker }) {
    router.service(Counter, {
      get: async ({ key }) => ({ value: await read(key) }),
      async put({ addServer, key, value }) {
        if (broker === undefined) {
          throw new Error("there is no broker");
        }
        await using host = await broker.dial(addServer);
        const { r } = await createClient(AddHelper, host.transport).sum({ a: await read(key), b: value });
        await writeFile(`counter_${key}`, String(r));
        return {};
      },
    });
  },
});

await serve(plugin, { handshake: { cookie: { key: "BASIC_PLUGIN", value: "hello" } } });
