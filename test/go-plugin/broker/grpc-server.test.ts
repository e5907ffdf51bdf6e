import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { expect, test, vi } from "vitest";
import { createGrpcServer } from "../../../src/go-plugin/broker/grpc-server.ts";

test("who is on the same machine is not pinged: it may stand at a breakpoint", async () => {
  const server = createGrpcServer(() => undefined, { maxMessageBytes: 1024 });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    await using listener = net.createServer((socket) => server.accept(socket)).listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as net.AddressInfo;
    const client = http2.connect(`http://127.0.0.1:${port}`);
    let pings = 0;
    client.on("ping", () => {
      pings += 1;
    });
    await once(client, "remoteSettings");
    const responded = () => new Promise((resolve) => client.ping(resolve));
    await responded();
    await vi.advanceTimersByTimeAsync(3_600_000);
    // What it sent before its response has come, too.
    await responded();
    expect(pings).toBe(0);
    client.destroy();
    await once(client, "close");
  } finally {
    vi.useRealTimers();
  }
  await server.close();
});
