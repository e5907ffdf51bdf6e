import type { Client } from "@connectrpc/connect";
import type { CarrierConnection, CarrierReceiver } from "plugboard";
import { connect, definePlugin, serveOn } from "plugboard";
import { expect, test } from "vitest";
import { frameType } from "../../../src/ttrpc/wire/frame.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { carrierPair } from "../../support/ttrpc/carrier-pair.ts";
import { encodeFrame } from "../../support/ttrpc/raw-frames.ts";
import { requestFrame } from "../../support/ttrpc/raw-peer.ts";

// Carriers that tell at once what they have to tell, from within the function that they were called by.

const plugin = definePlugin({
  name: "prompt",
  version: "1.0.0",
  routes(router) {
    router.service(BehaviourService, {
      echo: ({ text, data }) => ({ text, data }),
      async *produce() {},
      async collect(requests) {
        let messages = 0;
        for await (const _request of requests) {
          messages += 1;
        }
        return { messages };
      },
    });
  },
});

const { echo } = BehaviourService.method;
const atOnce = (run: () => void) => run();

test("a plugin responds to what its carrier delivers as soon as it is started", async () => {
  const { promise: responded, resolve: onResponse } = Promise.withResolvers<Uint8Array>();
  const carrier: CarrierConnection = {
    wholeFrames: true,
    start: (receiver) => receiver.receive(encodeFrame(requestFrame(1, echo, { text: "early" }))),
    send(bytes) {
      onResponse(bytes);
      return true;
    },
    close() {},
  };
  await using _served = await serveOn(plugin, carrier);
  expect(Buffer.from(await responded).toString()).toContain("early");
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

const large = new Uint8Array(300 * 1024);
const calls: [string, (client: Client<typeof BehaviourService>) => Promise<unknown>][] = [
  ["a short unary call", (client) => client.echo({})],
  ["a long unary call", (client) => client.echo({ data: large })],
  ["a stream with a long request", (client) => Array.fromAsync(client.produce({ id: "x".repeat(300 * 1024) }))],
  ["a stream of long requests", (client) => client.collect(twice({ data: large }))],
];

test.each(calls)("%s fails if the carrier tells from within send that it has ended", async (_, call) => {
  let breaks = false;
  await using opened = await open(
    () => {},
    (receiver, send) => (bytes) => {
      if (!breaks) {
        return send(bytes);
      }
      receiver.ended(new Error("broken pipe"));
      return true;
    },
  );
  await opened.client.echo({});
  breaks = true;
  const failure = await call(opened.client).catch((error: unknown) => error);
  expect(failure).toMatchObject({ errorCode: "PB-CONNECTION-LOST", message: expect.stringContaining("broken pipe") });
});

test.each([
  ["short", 10],
  ["long", large.byteLength],
])("a %s response that comes while its request is being sent is taken", async (_, length) => {
  await using opened = await open();
  const { data } = await opened.client.echo({ data: large.subarray(0, length) });
  expect(data).toHaveLength(length);
  expect(opened.dialed).toBe(1);
});

test("a carrier that takes more before it has said that it takes no more goes on", async () => {
  await using opened = await open(
    () => {},
    (receiver, send) => (bytes) => {
      send(bytes);
      receiver.drained();
      return false;
    },
  );
  for (let sent = 0; sent < 3; sent++) {
    expect(await opened.client.collect(twice({ data: large }))).toMatchObject({ messages: 2 });
  }
});

async function* twice<T>(message: T) {
  yield message;
  yield message;
}

/** A caller of the plugin whose carrier delivers whatever it has at once. */
async function open(
  onStart: (receiver: CarrierReceiver) => void = () => {},
  spoil: (receiver: CarrierReceiver, send: CarrierConnection["send"]) => CarrierConnection["send"] = (_, send) => send,
) {
  const opened = { dialed: 0 };
  const connection = await connect({
    name: "the pair",
    async open() {
      opened.dialed += 1;
      const [ours, theirs] = carrierPair(atOnce);
      await serveOn(plugin, theirs);
      const carrier: CarrierConnection = {
        ...ours,
        start(receiver) {
          carrier.send = spoil(receiver, ours.send);
          ours.start(receiver);
          onStart(receiver);
        },
      };
      return carrier;
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
