import { expect, test } from "vitest";
import type { ConnInfo } from "../../../src/gen/plugin/grpc_broker_pb.ts";
import { createControlStream } from "../../../src/go-plugin/broker/control-stream.ts";

/** A stream of the other side that says nothing until the call is over. */
function silence() {
  const { promise: over, resolve: end } = Promise.withResolvers<IteratorResult<ConnInfo>>();
  const incoming = { [Symbol.asyncIterator]: () => ({ next: () => over }) };
  return { incoming, end: () => end({ done: true, value: undefined }) };
}

test("what a call has not taken when the next one comes goes over that one, in order", async () => {
  const control = createControlStream({ receive() {}, ended() {} });
  for (const serviceId of [1, 2, 3]) {
    control.send({ serviceId });
  }
  const first = silence();
  const taken = control.run(first.incoming)[Symbol.asyncIterator]();
  expect(await taken.next()).toMatchObject({ value: { serviceId: 1 } });
  const second = silence();
  const later = control.run(second.incoming)[Symbol.asyncIterator]();
  expect(await taken.next()).toMatchObject({ done: true });
  expect(await later.next()).toMatchObject({ value: { serviceId: 2 } });
  expect(await later.next()).toMatchObject({ value: { serviceId: 3 } });
  first.end();
  second.end();
  control.close();
  expect(await later.next()).toMatchObject({ done: true });
});
