/** Runs the Worker of consumers/own-hono, in the folder that is given, and calls it. */
import assert from "node:assert/strict";
import { createTestHarness } from "wrangler";

// There is nothing to ask on the internet.
process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";
process.env.WRANGLER_SEND_METRICS = "false";

const harness = createTestHarness({
  root: process.argv[2] ?? ".",
  workers: [{ config: { name: "consumer", main: "worker.ts", compatibility_date: "2026-11-17" } }],
});
try {
  await harness.listen();
  const health = await harness.fetch("/plugin/healthz");
  assert.equal(health.status, 200);
  assert.equal(health.headers.get("X-Passed"), "inside, before");
  const described = await harness.fetch("/plugin/plugboard.plugin.v1.PluginService/Describe", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: "{}",
  });
  assert.equal(described.status, 200);
  assert.match(await described.text(), /"name":\s*"mounted"/);
  const own = await harness.fetch("/own");
  assert.equal(await own.text(), "a route of the app");
  assert.equal(own.headers.get("X-Passed"), "behind, before");
} finally {
  await harness.close();
}
