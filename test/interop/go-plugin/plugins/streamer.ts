/** go-plugin's example streaming, as a plugin: writes a file, and reads it in chunks. */
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { definePlugin } from "plugboard";
import { serve } from "plugboard/node";
import { StreamerService } from "../../../gen/interop/goplugin/examples_pb.ts";

let file = "";
let chunkBytes = 1;

const plugin = definePlugin({
  name: "streamer",
  version: "1.0.0",
  routes(router) {
    router.service(StreamerService, {
      configure({ path, chunkSize }) {
        file = path;
        chunkBytes = Number(chunkSize);
        return {};
      },
      async *read() {
        const bytes = await readFile(file);
        for (let at = 0; at < bytes.byteLength; at += chunkBytes) {
          yield { readBytes: bytes.subarray(at, at + chunkBytes) };
        }
      },
      async write(chunks) {
        await writeFile(file, "");
        for await (const { bytesToWrite } of chunks) {
          await appendFile(file, bytesToWrite);
        }
        return {};
      },
    });
  },
});

await serve(plugin, { handshake: { cookie: { key: "BASIC_PLUGIN", value: "hello" } } });
