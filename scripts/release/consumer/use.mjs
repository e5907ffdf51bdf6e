// In this process, and as a child process.
import assert from "node:assert/strict";
import { connect, definePlugin } from "plugboard";
import { edge } from "plugboard/edge";
import { Host } from "plugboard/node";

const plugin = definePlugin({ name: "consumer", version: "1.0.0", routes() {} });
{
  await using connection = await connect(plugin);
  assert.equal(connection.manifest?.name, "consumer");
}
{
  await using host = new Host();
  const loaded = await host.load({ command: [process.execPath, "plugin.mjs"] });
  assert.equal(loaded.manifest?.name, "consumer");
}
assert.equal(typeof edge(plugin).fetch, "function");
