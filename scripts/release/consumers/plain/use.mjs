// In this process, and as a child process.
import assert from "node:assert/strict";
import { connect, definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { Host } from "plugboard/node";

const plugin = definePlugin({ name: "consumer", version: "1.0.0", routes() {} });
// Node 22 has no `await using`.
const connection = await connect(plugin);
assert.equal(connection.manifest?.name, "consumer");
await connection.close();
const host = new Host();
try {
  const loaded = await host.load({ command: [process.execPath, "plugin.mjs"] });
  assert.equal(loaded.manifest?.name, "consumer");
} finally {
  await host.close();
}
assert.equal(typeof edge(plugin).fetch, "function");
