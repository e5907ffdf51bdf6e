import * as http2 from "node:http2";
import * as net from "node:net";
import { connect } from "plugboard/node";
import { expect, test, vi } from "vitest";
import { localKeepalive } from "../../../src/call/time/keepalive.ts";
import { createHttp2Connection } from "../../../src/node/dial/http2-connection.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { startRawServer, startRpcServer } from "../../support/local-server.ts";

test("a call that is just being made when the connection closes does not open it again", async () => {
  await using server = await startRpcServer({ place: "unix", httpVersion: "2" });
  // The call gets one step further each time, until it is on its way.
  for (let steps = 0; steps < 200; steps++) {
    const connection = await connect(server.address, { require: { protocols: ["grpc"] } });
    const call = Promise.allSettled([connection.client(BehaviourService).echo({})]);
    for (let step = 0; step < steps; step++) {
      await Promise.resolve();
    }
    await connection.close();
    await call;
  }
  // What is open keeps the process from ending.
  await vi.waitFor(() => expect(server.sockets.size).toBe(0));
});

test("a connection that is being opened again is not yet pinged", async () => {
  const speaking = http2.createServer();
  const accepted: net.Socket[] = [];
  await using server = await startRawServer("tcp", (socket) => {
    accepted.push(socket);
    if (accepted.length === 1) {
      speaking.emit("connection", socket);
    }
  });
  await using clock = await startRpcServer({ place: "tcp", httpVersion: "2" });
  const open = (address: string) => {
    const port = Number(address.split(":")[2]);
    const opener = () => Promise.resolve(net.connect(port, "127.0.0.1"));
    const baseUrl = "http://localhost";
    return createHttp2Connection({ baseUrl, opener, address: { text: address }, keepalive: localKeepalive });
  };
  const impatient = { pingAfterMs: 50, pingTimeoutMs: 200 };
  const other = open(clock.address);
  const connection = open(server.address);
  await connection.open();
  accepted[0]?.destroy();
  await vi.waitFor(async () => {
    void connection.open().catch(() => undefined);
    expect(accepted.length).toBe(2);
  });
  const again = connection.open();
  again.catch(() => undefined);
  connection.watchIdle(impatient);
  other.watchIdle(impatient);
  await other.open();
  await vi.waitFor(() => expect(clock.pings).toBeGreaterThan(10), { timeout: 10_000 });
  speaking.emit("connection", accepted[1]);
  await again;
  connection.close();
  other.close();
});
