import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";
import { definePlugin, serveOn } from "plugboard";
import { expect, test } from "vitest";

const plugin = definePlugin({ name: "empty", version: "1.0.0", routes: () => {} });

test.each<[string, unknown]>([
  ["is no Uint8Array", "text"],
  ["ends in the middle of a frame", Uint8Array.of(0, 0, 0)],
  ["is no ttrpc", Uint8Array.from({ length: 10 }, () => 1)],
])("a message that %s ends the connection, and the other side is told", async (_, message) => {
  const { port1, port2 } = new MessageChannel();
  const served = await serveOn(plugin, port1);
  port2.postMessage(message);
  expect(await once(port2, "message")).toEqual([null]);
  await served.closed;
  port2.close();
});
