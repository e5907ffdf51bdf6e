import { connect } from "plugboard/node";
import { expect, test, vi } from "vitest";
import { BehaviourService } from "../../src/gen/plugboard/test/v1/behaviour_pb.ts";
import { startRpcServer } from "../client/local-server.ts";

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
