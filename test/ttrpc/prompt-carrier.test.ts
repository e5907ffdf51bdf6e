import type { CarrierConnection, CarrierReceiver } from "plugboard";
import { connect, definePlugin, serveOn } from "plugboard";
import { expect, test } from "vitest";
import { BehaviourService } from "../../src/gen/plugboard/test/v1/behaviour_pb.ts";
import { frameType } from "../../src/ttrpc/frame.ts";
import { encodeFrame } from "./raw-frames.ts";
import { requestFrame } from "./raw-peer.ts";

// Carriers that tell at once what they have to tell, from within the function that they were called by.

const plugin = definePlugin({
  name: "prompt",
  version: "1.0.0",
  routes(router) {
    router.service(BehaviourService, { echo: ({ text, data }) => ({ text, data }) });
  },
});

const { echo } = BehaviourService.method;

test("a plugin answers what its carrier delivers as soon as it is started", async () => {
  const { promise: answered, resolve: onAnswer } = Promise.withResolvers<Uint8Array>();
  const carrier: CarrierConnection = {
    wholeFrames: true,
    start: (receiver) => receiver.receive(encodeFrame(requestFrame(1, echo, { text: "early" }))),
    send(bytes) {
      onAnswer(bytes);
      return true;
    },
    close() {},
  };
  await using _served = await serveOn(plugin, carrier);
  expect(Buffer.from(await answered).toString()).toContain("early");
});

test("a caller takes what its carrier delivers as soon as it is started", async () => {
  const ping = encodeFrame({ streamId: 0, type: frameType.ping, data: new Uint8Array(8) });
  await using opened = await open((receiver) => receiver.receive(ping));
  expect(await opened.client.echo({ text: "after it" })).toMatchObject({ text: "after it" });
  expect(opened.dialed).toBe(1);
});

test("a carrier that throws when it is started ends the connection", async () => {
  const carrier: CarrierConnection = {
    wholeFrames: true,
    start() {
      throw new Error("start is broken");
    },
    send: () => true,
    close() {},
  };
  await expect(connect({ name: "broken", open: async () => carrier })).rejects.toThrow("start is broken");
  const served = await serveOn(plugin, carrier);
  await served.closed;
});

/** A caller of the plugin whose carrier delivers whatever it has at once. */
async function open(onStart: (receiver: CarrierReceiver) => void) {
  const opened = { dialed: 0 };
  const connection = await connect({
    name: "the pair",
    async open() {
      opened.dialed += 1;
      const [ours, theirs] = carrierPair();
      await serveOn(plugin, theirs);
      return {
        ...ours,
        start(receiver) {
          ours.start(receiver);
          onStart(receiver);
        },
      };
    },
  });
  return {
    client: connection.client(BehaviourService),
    get dialed() {
      return opened.dialed;
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** Two ends of a connection in memory, where sending is delivering. */
function carrierPair(): readonly [CarrierConnection, CarrierConnection] {
  const receivers: (CarrierReceiver | undefined)[] = [];
  const end = (own: number): CarrierConnection => ({
    wholeFrames: true,
    start(receiver) {
      receivers[own] = receiver;
    },
    send(bytes) {
      receivers[1 - own]?.receive(bytes);
      return true;
    },
    close() {
      receivers[1 - own]?.ended();
    },
  });
  return [end(0), end(1)];
}
