import { duplexPair } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ConnInfoSchema } from "../../../src/gen/plugin/grpc_broker_pb.ts";
import { createMultiplexedWay } from "../../../src/node/broker/multiplexed-way.ts";
import { createMultiplexer } from "../../../src/node/yamux/multiplexer.ts";

test("a knock that is answered while its dial is given up gets its stream, which is closed again", async () => {
  const real = createMultiplexer("client");
  const [carrier, other] = duplexPair();
  other.resume();
  real.attach(carrier);
  const opened: ReturnType<typeof real.openStream>[] = [];
  const openStream: typeof real.openStream = (signal) => {
    const stream = real.openStream(signal);
    opened.push(stream);
    return stream;
  };
  const way = createMultiplexedWay({ send: () => true }, { ...real, openStream });
  const giveUp = new AbortController();
  const dialled = (await way.reach(1, giveUp.signal))();
  await new Promise((resolve) => setImmediate(resolve));
  giveUp.abort(new Error("given up"));
  way.receive(create(ConnInfoSchema, { serviceId: 1, knock: { knock: true, ack: true } }));
  await expect(dialled).rejects.toThrow("given up");
  expect(opened).toHaveLength(1);
  await expect.poll(async () => (await opened[0])?.destroyed).toBe(true);
  await real.close();
});
