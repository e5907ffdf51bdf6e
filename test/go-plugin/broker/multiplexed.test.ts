import { duplexPair } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ConnInfoSchema } from "../../../src/gen/plugin/grpc_broker_pb.ts";
import { createMultiplexedStrategy } from "../../../src/go-plugin/broker/multiplexed.ts";
import { createMultiplexer } from "../../../src/go-plugin/yamux/multiplexer.ts";

test("a knock whose reply comes while its dial is given up gets its stream, which is closed again", async () => {
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
  const strategy = createMultiplexedStrategy({ send: () => true }, { ...real, openStream });
  const giveUp = new AbortController();
  const dialled = (await strategy.reach(1, giveUp.signal))();
  await new Promise((resolve) => setImmediate(resolve));
  giveUp.abort(new Error("given up"));
  strategy.receive(create(ConnInfoSchema, { serviceId: 1, knock: { knock: true, ack: true } }));
  await expect(dialled).rejects.toThrow("given up");
  expect(opened).toHaveLength(1);
  await expect.poll(async () => (await opened[0])?.destroyed).toBe(true);
  await real.close();
});

test("a knock whose reply could not be sent leaves the next stream to whom it belongs", async () => {
  const multiplexer = createMultiplexer("server");
  const other = createMultiplexer("client");
  const [carrier, end] = duplexPair();
  const main = Promise.withResolvers<string>();
  multiplexer.attach(carrier, (stream) => {
    main.resolve("the main server");
    stream.destroy();
  });
  other.attach(end);
  const strategy = createMultiplexedStrategy({ send: () => false }, multiplexer);
  await strategy.listen(1, (stream) => {
    main.resolve("the service that was knocked at");
    stream.destroy();
  });
  strategy.receive(create(ConnInfoSchema, { serviceId: 1, knock: { knock: true } }));
  await other.openStream();
  expect(await main.promise).toBe("the main server");
  await Promise.all([multiplexer.close(), other.close()]);
});
