import { once } from "node:events";
import * as net from "node:net";
import { Code } from "@connectrpc/connect";
import { connect } from "plugboard/node";
import { describe, expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { startRpcServer } from "../support/local-server.ts";

describe("a deadline", () => {
  test("does not start anew when a call goes on to the next route", async () => {
    await using first = await startRpcServer({ place: "unix", httpVersion: "2" });
    await using second = await startRpcServer({
      place: "tcp",
      httpVersion: "2",
      routes(router) {
        router.rpc(BehaviourService.method.inspect, (_, { timeoutMs }) => ({ timeoutMs: timeoutMs() ?? -1 }));
      },
    });
    await using connection = await connect([first.address, second.address], { require: { protocols: ["grpc"] } });
    await first.takeAway();
    // In its place stands something that takes its time, and never says a word.
    const heldMs = 400;
    const silent = net.createServer((socket) => {
      socket.on("error", () => undefined);
      setTimeout(() => socket.destroy(), heldMs);
    });
    silent.listen({ path: first.address.slice("unix:".length) });
    await once(silent, "listening");
    try {
      const client = connection.client(BehaviourService);
      const { timeoutMs } = await client.inspect({}, { timeoutMs: 60_000 });
      expect(timeoutMs).toBeGreaterThan(0);
      expect(timeoutMs).toBeLessThanOrEqual(60_000 - heldMs + 1);
      // The first route takes up all the time there is.
      await expect(client.inspect({}, { timeoutMs: heldMs / 2 })).rejects.toMatchObject({
        code: Code.DeadlineExceeded,
      });
      expect(second.calls).toEqual(["Inspect"]);
    } finally {
      silent.close();
    }
  });

  test("may be a fraction of a millisecond", async () => {
    await using server = await startRpcServer({ place: "unix", httpVersion: "2" });
    await using connection = await connect(server.address);
    await connection.client(BehaviourService).echo({}, { timeoutMs: 60_000.5 });
  });
});
