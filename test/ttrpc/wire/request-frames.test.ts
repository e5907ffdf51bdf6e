import { fromBinary } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { frameFlag } from "../../../src/ttrpc/wire/frame.ts";
import { BehaviourService, CollectResponseSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { connectTtrpc, listen, serveTtrpc } from "../../support/ttrpc/local-ttrpc.ts";
import { connectRaw, dataFrame, endFrame, rawPeer, requestFrame, responseOf } from "../../support/ttrpc/raw-peer.ts";

const { collect } = BehaviourService.method;

/** The flags of the frame that a call of ours begins with. */
async function flagsOf(call: (transport: Transport) => Promise<unknown>): Promise<number | undefined> {
  const flags = Promise.withResolvers<number | undefined>();
  await using server = await listen(
    (socket) =>
      void rawPeer(socket)
        .next()
        .then((frame) => flags.resolve(frame?.flags)),
  );
  using client = connectTtrpc(server.path);
  const ended = call(client.plain).catch(() => undefined);
  const seen = await flags.promise;
  client.close(new Error("that is all"));
  await ended;
  return seen;
}

test.each([
  ["a unary call", (transport: Transport) => createClient(BehaviourService, transport).echo({}), frameFlag.none],
  [
    "a server-streaming call",
    (transport: Transport) => Array.fromAsync(createClient(BehaviourService, transport).produce({})),
    frameFlag.remoteClosed,
  ],
  [
    "a client-streaming call, which says that there is no message in it,",
    (transport: Transport) => createClient(BehaviourService, transport).collect((async function* () {})()),
    frameFlag.remoteOpen | frameFlag.noData,
  ],
  [
    "a bidi-streaming call, which says that there is no message in it,",
    (transport: Transport) =>
      Array.fromAsync(createClient(BehaviourService, transport).converse((async function* () {})())),
    frameFlag.remoteOpen | frameFlag.noData,
  ],
] as const)("%s begins as other implementations have it", async (_what, call, flags) => {
  expect(await flagsOf(call)).toBe(flags);
});

const countMessages = {
  async collect(requests: AsyncIterable<unknown>) {
    let messages = 0;
    for await (const _ of requests) {
      messages += 1;
    }
    return { messages };
  },
};

const { remoteOpen, remoteClosed, noData } = frameFlag;

test.each([
  ["an empty request that doesn't say so, as containerd's", { flags: remoteOpen, first: undefined, expected: 1 }],
  [
    "a request that says that it has no message, as ttrpc-rust's",
    { flags: remoteOpen | noData, first: undefined, expected: 1 },
  ],
  ["a request with a first message", { flags: remoteOpen, first: { data: Uint8Array.of(1) }, expected: 2 }],
  ["a closed request, whose message may be empty", { flags: remoteClosed, first: {}, expected: 1 }],
  [
    "a closed request that says that it has no message",
    { flags: remoteClosed | noData, first: undefined, expected: 0 },
  ],
] as const)("a server counts the messages after %s", async (_what, { flags, first, expected }) => {
  await using server = await serveTtrpc((router) => router.service(BehaviourService, countMessages));
  using peer = await connectRaw(server.path);
  peer.send(requestFrame(1, collect, first, { flags }));
  if ((flags & remoteOpen) !== 0) {
    peer.send(dataFrame(1, collect, {}), endFrame(1));
  }
  const { payload } = responseOf(await peer.nextOn(1));
  expect(fromBinary(CollectResponseSchema, payload).messages).toBe(expected);
});
