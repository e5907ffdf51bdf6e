import { Code } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { connect } from "plugboard";
import type { EdgeOptions } from "plugboard/edge";
import { edge, webSockets } from "plugboard/edge";
import { expect, test } from "vitest";
import { Carrier } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import plugin from "../behaviour/plugin.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

const upgrade = { headers: { Upgrade: "websocket", "Sec-WebSocket-Protocol": "plugboard.ttrpc.v1" } };

function serve(options: EdgeOptions) {
  const app = edge(plugin, { hosts: ["notes.test"], observers: [], ...options });
  const fetch: typeof globalThis.fetch = async (input, init) => app.fetch(new Request(input, init), {});
  return { app, connect: (): Promise<Connection> => connect("https://notes.test", { fetch }) };
}

function carriersOf({ manifest }: Connection): readonly Carrier[] {
  return [...new Set(manifest?.endpoints.map(({ carrier }) => carrier))];
}

test("a plugin announces WebSockets, and opens them, if it was given them", async () => {
  const { app, connect } = serve({ webSockets });
  await using connection = await connect();
  expect(carriersOf(connection)).toEqual([Carrier.HTTP, Carrier.SERVICE_BINDING, Carrier.WEBSOCKET]);
  expect((await app.request("https://notes.test/", upgrade)).status).toBe(101);
});

test("a plugin that was given none announces none, and its caller is told how it gets them", async () => {
  await using connection = await serve({}).connect();
  expect(carriersOf(connection)).toEqual([Carrier.HTTP, Carrier.SERVICE_BINDING]);
  const converse = connection.client(BehaviourService).converse((async function* () {})());
  await expect(Array.fromAsync(converse)).rejects.toMatchObject({
    code: Code.Unimplemented,
    errorCode: "PB-ROUTE-NONE",
    hint: expect.stringContaining("edge(plugin, { webSockets })"),
  });
});

test("a plugin that was given none refuses who asks for one all the same, and says how it gets them", async () => {
  const { app } = serve({});
  const response = await app.request("https://notes.test/", upgrade);
  expect(response.status).toBe(501);
  expect(await response.json()).toEqual({
    code: "unimplemented",
    message: "WebSockets are not served here: give edge() the option `webSockets`",
  });
  expect((await app.request("https://evil.test/", upgrade)).status).toBe(421);
});
