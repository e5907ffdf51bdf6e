import type { CarrierConnection, CarrierReceiver } from "plugboard";
import { definePlugin, serveOn } from "plugboard";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { encodeFrame } from "../support/ttrpc/raw-frames.ts";
import { requestFrame } from "../support/ttrpc/raw-peer.ts";

// A caller that takes no more of what it is sent: it has vanished, or its link is slow.

const { echo, hang } = BehaviourService.method;
const mib = 1024 * 1024;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A call in flight, and a response of so many bytes that waits for a carrier which takes no more. */
async function openCongested(bytes: number) {
  const aborted = vi.fn();
  const plugin = definePlugin({
    name: "responding",
    version: "1.0.0",
    routes(router) {
      router.service(BehaviourService, {
        echo: () => ({ data: new Uint8Array(bytes) }),
        async hang(_request, { signal }) {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          aborted();
          return {};
        },
      });
    },
  });
  const { promise: started, resolve: onStart } = Promise.withResolvers<CarrierReceiver>();
  const paused = Promise.withResolvers<void>();
  const resumed = vi.fn();
  const carrier: CarrierConnection = {
    wholeFrames: false,
    start: onStart,
    send: (sent) => sent.byteLength < bytes,
    close() {},
    pause: () => paused.resolve(),
    resume: resumed,
  };
  const served = await serveOn(plugin, carrier, { keepalive: { pingAfterMs: 30_000, pingTimeoutMs: 10_000 } });
  const receiver = await started;
  receiver.receive(encodeFrame(requestFrame(1, hang, {}, { extended: true })));
  receiver.receive(encodeFrame(requestFrame(3, echo, {}, { extended: true })));
  // A caller that does not read its responses gets no more work done.
  await paused.promise;
  return { aborted, receiver, served, resumed };
}

test("a caller that vanishes with a full buffer is taken for lost, and its handlers are aborted", async () => {
  const { aborted, served } = await openCongested(mib);
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  await served.closed;
  expect(aborted).toHaveBeenCalled();
});

test("a caller has time to take what waits for it: a ping's for each mebibyte", async () => {
  const { aborted } = await openCongested(3 * mib);
  await vi.advanceTimersByTimeAsync(3 * 40_000);
  expect(aborted).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(2 * 40_000);
  expect(aborted).toHaveBeenCalled();
});

test("a caller that has taken what waited for it was heard", async () => {
  const { aborted, receiver, resumed } = await openCongested(mib);
  await vi.advanceTimersByTimeAsync(79_000);
  receiver.drained();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(resumed).toHaveBeenCalled();
  expect(aborted).not.toHaveBeenCalled();
  // From now on nothing excuses that it does not reply.
  await vi.advanceTimersByTimeAsync(11_000);
  expect(aborted).toHaveBeenCalled();
});
