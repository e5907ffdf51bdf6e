import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { WebSocketServer } from "ws";

// An uncaught exception, such as one thrown in a WebSocket's listener, fails the run.
test.each([
  ["a text message", "ping"],
  ["bytes that are no ttrpc", new Uint8Array(20).fill(0x41)],
  ["a message that ends in the middle of a frame", new Uint8Array([0, 0, 0, 9, 0, 0, 0, 1, 2, 0])],
])("a call that gets %s on a WebSocket fails as unavailable", async (_, response) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "plugboard.ttrpc.v1" });
  try {
    await once(server, "listening");
    server.on("connection", (socket) => socket.on("message", () => socket.send(response)));
    const { port } = server.address() as AddressInfo;
    await expect(connect(`ws://127.0.0.1:${port}`)).rejects.toMatchObject({
      code: Code.Unavailable,
      message: expect.stringMatching(/broke|a message/),
    });
  } finally {
    for (const socket of server.clients) {
      socket.terminate();
    }
    server.close();
  }
});
