import { once } from "node:events";
import * as net from "node:net";
import type { Requirements } from "plugboard";
import { explainRoutes, PluginService } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test, vi } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { makeParties } from "../../support/tls/parties.ts";
import { startListener } from "../../support/tls/start-listener.ts";
import { ways } from "../../support/tls/strategies.ts";

const { mutual, trusted } = await makeParties();

describe("a caller", () => {
  /** A server that takes connections, and does with them what it is told. */
  async function startServer(onSocket: (socket: net.Socket) => void) {
    const sockets = new Set<net.Socket>();
    const running = net.createServer((socket) => {
      sockets.add(socket.on("error", () => undefined).once("close", () => sockets.delete(socket)));
      onSocket(socket);
    });
    running.listen(0, "127.0.0.1");
    await once(running, "listening");
    const { port } = running.address() as net.AddressInfo;
    return {
      address: `tcp:localhost:${port}`,
      sockets,
      async [Symbol.asyncDispose]() {
        running.close();
      },
    };
  }

  test("is told if the other side breaks off when TLS begins", async () => {
    await using server = await startServer((socket) => socket.once("data", () => socket.destroy()));
    await expect(connect(server.address, { tls: {} })).rejects.toMatchObject({ errorCode: "PB-TLS-FAILED" });
  });

  test.each<[string, Requirements]>([...ways])(
    "by %s that gives up in the middle of TLS leaves no connection",
    async (_, require) => {
      const { promise: began, resolve } = Promise.withResolvers<void>();
      await using server = await startServer((socket) => socket.once("data", () => resolve()));
      const giveUp = new AbortController();
      const attempt = connect(server.address, { tls: {}, require, signal: giveUp.signal });
      await began;
      giveUp.abort(new Error("enough"));
      await expect(attempt).rejects.toThrow("enough");
      await vi.waitUntil(() => server.sockets.size === 0);
    },
  );

  test("connects again when its connection was lost", async () => {
    const accepted: net.Socket[] = [];
    await using listener = await startListener("tcp", mutual());
    await using relay = await startServer((socket) => {
      accepted.push(socket);
      socket
        .pipe(net.connect(listener.socket))
        .on("error", () => undefined)
        .pipe(socket);
    });
    for (const [, require] of ways) {
      await using connection = await connect(relay.address, { tls: trusted(), require });
      const { echo } = connection.client(BehaviourService);
      await echo({});
      for (const socket of accepted.splice(0)) {
        socket.destroy();
      }
      await vi.waitFor(async () => expect(await echo({ text: "again" })).toMatchObject({ text: "again" }));
    }
  });

  test("who wants encryption gets no way without it, and one that does not speak TLS none with it", async () => {
    await using plain = await startListener("unix", undefined);
    await expect(connect(plain.address, { require: { encryption: true } })).rejects.toMatchObject({
      message: expect.stringContaining("not encrypted, and the caller requires encryption"),
    });
    await using secure = await startListener("tcp", mutual());
    // Either is known to one of the two only.
    await using connection = await connect([secure.address, plain.address], { tls: trusted() });
    expect(connection.routes.unary.routes.map(({ name }) => name)).not.toContain("unix+ttrpc");
    expect(explainRoutes(connection.routes)).toContain("PB-TLS-NOT-SPOKEN");
    expect(await connection.client(PluginService).describe({})).toMatchObject({ manifest: { name: "noting" } });
  });
});
