// From CommonJS, by require of an ES module.
const assert = require("node:assert/strict");
const { connect, definePlugin } = require("plugboard");
const { Host } = require("plugboard/node");
const { edge } = require("plugboard/edge");

async function main() {
  const plugin = definePlugin({ name: "consumer", version: "1.0.0", routes() {} });
  const connection = await connect(plugin);
  assert.equal(connection.manifest?.name, "consumer");
  await connection[Symbol.asyncDispose]();
  const host = new Host();
  const loaded = await host.load({ command: [process.execPath, "plugin.mjs"] });
  assert.equal(loaded.manifest?.name, "consumer");
  await host[Symbol.asyncDispose]();
  assert.equal(typeof edge(plugin).fetch, "function");
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
