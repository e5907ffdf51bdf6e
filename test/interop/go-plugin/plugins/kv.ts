/** go-plugin's examples grpc and negotiated, as a plugin: keeps values in files of the working directory. */
import { readFile, writeFile } from "node:fs/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { serve } from "plugboard/node";
import { KV } from "../../../gen/interop/goplugin/examples_pb.ts";

const plugin = definePlugin({
  name: "kv",
  version: "1.0.0",
  protocolVersions: process.env.KV_VERSIONS?.split(",").map(Number) ?? [1],
  routes(router, { protocolVersion }) {
    router.service(KV, {
      async get({ key }) {
        try {
          return { value: await readFile(`kv_${key}`) };
        } catch {
          throw new ConnectError(`there is no ${key}`, Code.NotFound);
        }
      },
      async put({ key, value }) {
        await writeFile(`kv_${key}`, Buffer.concat([value, Buffer.from(`\nwritten by version ${protocolVersion}`)]));
        return {};
      },
    });
  },
});

await serve(plugin, { handshake: { cookie: { key: "BASIC_PLUGIN", value: "hello" } } });
