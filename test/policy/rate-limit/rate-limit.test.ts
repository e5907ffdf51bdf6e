import type { HandlerContext } from "@connectrpc/connect";
import { memoryRateLimit, peerKey } from "plugboard";
import { edge } from "plugboard/edge";
import { expect, test } from "vitest";
import plugin from "../../behaviour/plugin.ts";

test("who is one caller may be told by the other end's address", async () => {
  const network = ({ values }: HandlerContext) => values.get(peerKey).address?.split(".", 3).join(".");
  const app = edge(plugin, {
    rateLimit: memoryRateLimit({ perSecond: 0.001, burst: 1, key: network }),
    observers: [],
  });
  async function statusFrom(remoteAddress: string) {
    const request = new Request("https://plugin.test/plugboard.test.v1.BehaviourService/Echo", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    });
    // As Hono's server for Node binds it.
    return (await app.fetch(request, { incoming: { socket: { remoteAddress } } })).status;
  }
  expect([await statusFrom("10.0.0.1"), await statusFrom("10.0.0.2"), await statusFrom("10.0.1.1")]).toEqual([
    200, 429, 200,
  ]);
});
