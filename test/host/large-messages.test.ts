import { MessageChannel } from "node:worker_threads";
import { Code } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { serveOn } from "plugboard";
import { connect, Host } from "plugboard/node";
import { expect, test } from "vitest";
import plugin from "../behaviour/plugin.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { startStandalone } from "../support/standalone.ts";

const mebibyte = 1024 * 1024;
const maxMessageBytes = 64 * mebibyte;
const command = ["node", "--conditions=plugboard-source", "test/host/fixtures/large-messages.ts"] as const;

/** Sees that messages of 6 MiB go both ways, by every kind of method, over the route that calls take anyway. */
async function expectLarge(connection: Connection, route: string) {
  expect(connection.routes.unary.routes[0]?.name).toBe(route);
  const client = connection.client(BehaviourService);
  const data = new Uint8Array(6 * mebibyte).fill(7);
  expect(Buffer.compare((await client.echo({ data })).data, data)).toBe(0);
  const produced = await Array.fromAsync(client.produce({ count: 2, size: 6 * mebibyte }));
  expect(produced.map((each) => each.data.byteLength)).toEqual([6 * mebibyte, 6 * mebibyte]);
  async function* requests() {
    yield { data };
    yield { data };
  }
  expect(await client.collect(requests())).toMatchObject({ messages: 2, bytes: BigInt(12 * mebibyte) });
}

test("a limit that plugin and host have raised holds over the route that calls take", async () => {
  await using host = new Host();
  await expectLarge(await host.load({ command, maxMessageBytes }), "unix+ttrpc");
});

test.each(["tcp:", "ws://"])("a limit that plugin and caller have raised holds over %s", async (scheme) => {
  const process = await startStandalone(command, "tcp:127.0.0.1:0");
  try {
    const require = { protocols: ["ttrpc"] } as const;
    await using connection = await connect(process.address.replace("tcp:", scheme), { maxMessageBytes, require });
    await expectLarge(connection, scheme === "tcp:" ? "tcp+ttrpc" : "websocket+ttrpc");
  } finally {
    await process.stop();
  }
});

test("a limit that plugin and caller have raised holds over a message port", async () => {
  const { port1, port2 } = new MessageChannel();
  await using _served = await serveOn(plugin, port2, { limits: { maxMessageBytes } });
  await using connection = await connect(port1, { maxMessageBytes });
  await expectLarge(connection, "message-port+ttrpc");
});

test("a caller that has not raised its own limit is told of it, and goes on", async () => {
  await using host = new Host();
  const client = (await host.load({ command })).client(BehaviourService);
  await expect(client.echo({ data: new Uint8Array(6 * mebibyte) })).rejects.toMatchObject({
    code: Code.ResourceExhausted,
    rawMessage: expect.stringContaining("maxMessageBytes"),
  });
  expect((await client.echo({ text: "still here" })).text).toBe("still here");
});
