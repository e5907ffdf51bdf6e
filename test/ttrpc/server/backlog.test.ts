import { once } from "node:events";
import type { MessagePort } from "node:worker_threads";
import { MessageChannel } from "node:worker_threads";
import type { ConnectRouter } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { ServeOnOptions } from "plugboard";
import { definePlugin, serveOn } from "plugboard";
import { expect, test } from "vitest";
import type { Frame } from "../../../src/ttrpc/wire/frame.ts";
import { createFrameDecoder, frameFlag, frameType, openFlags, uint32Bytes } from "../../../src/ttrpc/wire/frame.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import type { RawFrame } from "../../support/ttrpc/raw-frames.ts";
import { encodeFrame } from "../../support/ttrpc/raw-frames.ts";
import { dataFrame, requestFrame, responseOf } from "../../support/ttrpc/raw-peer.ts";

// Message ports can't pause, as WebSockets of Workers can't: what is sent over them comes in.

const { echo, converse } = BehaviourService.method;
const mib = 1024 * 1024;

const plugin = definePlugin({
  name: "slow",
  version: "1.0.0",
  routes(router: ConnectRouter) {
    router.service(BehaviourService, {
      echo: ({ text }) => ({ text }),
      // Reads nothing until its call is over.
      async *converse(_requests, { signal }) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
  },
});

/** Sends a plugin what it likes over a message port. */
async function open(options: ServeOnOptions = {}) {
  const { port1, port2 } = new MessageChannel();
  const served = await serveOn(plugin, port1, { gracePeriodMs: 0, ...options });
  const codes = new Map<number, Code | 0>();
  /** Streams that were given more than their first window. */
  const allowed = new Set<number>();
  const decoder = createFrameDecoder((frame: Frame) => {
    // At the end there is also what tells that no further call is taken.
    if (frame.type === frameType.window) {
      allowed.add(frame.streamId);
    } else if (frame.streamId !== 0) {
      codes.set(frame.streamId, responseOf(frame).code);
    }
  });
  port2.on("message", (bytes: Uint8Array | null) => {
    if (bytes !== null) {
      decoder.push(bytes);
    }
  });
  return {
    codes,
    allowed,
    send: (...frames: RawFrame[]) => post(port2, frames),
    /** Waits until there is a response on a stream, and so all that was sent before it is dealt with. */
    async responded(streamId: number) {
      while (!codes.has(streamId)) {
        await once(port2, "message");
      }
      return codes.get(streamId);
    },
    async [Symbol.asyncDispose]() {
      await served.close();
      port2.close();
    },
  };
}

function post(port: MessagePort, frames: readonly RawFrame[]) {
  for (const frame of frames) {
    port.postMessage(encodeFrame(frame));
  }
}

const message = (streamId: number, bytes: number) => dataFrame(streamId, converse, { text: "x".repeat(bytes) });
const stream = (streamId: number, extended: boolean) =>
  requestFrame(streamId, converse, undefined, { flags: frameFlag.remoteOpen, extended });
const idsTo = (last: number) => Array.from({ length: (last + 1) / 2 }, (_, index) => 2 * index + 1);

test("plain streams that no one reads hold 4 MiB over all of them, and a message more; those beyond fail alone", async () => {
  await using peer = await open();
  for (const id of idsTo(19)) {
    peer.send(stream(id, false), message(id, mib));
  }
  peer.send(requestFrame(21, echo, {}));
  expect(await peer.responded(21)).toBe(0);
  const refused = idsTo(19).filter((id) => peer.codes.get(id) === Code.ResourceExhausted);
  expect(refused).toEqual([9, 11, 13, 15, 17, 19]);
  // What has ended makes room.
  peer.send({ streamId: 1, type: frameType.cancel }, stream(23, false), message(23, mib), requestFrame(25, echo, {}));
  expect(await peer.responded(25)).toBe(0);
  expect(peer.codes.has(23)).toBe(false);
});

test("streams with windows may fill all of them; of messages that go beyond, 16 MiB wait, and a message more", async () => {
  await using peer = await open();
  for (const id of idsTo(199)) {
    peer.send(stream(id, true), message(id, 200 * 1024));
  }
  peer.send(requestFrame(201, echo, {}));
  expect(await peer.responded(201)).toBe(0);
  expect(peer.codes.size).toBe(1);
  for (const id of idsTo(19)) {
    peer.send(message(id, 3 * mib));
  }
  peer.send(requestFrame(203, echo, {}));
  expect(await peer.responded(203)).toBe(0);
  const refused = idsTo(199).filter((id) => peer.codes.get(id) === Code.ResourceExhausted);
  expect(refused).toEqual([13, 15, 17, 19]);
});

test("before a gate has decided, a plain stream holds a window and a message, and requests count as streams do", async () => {
  const { promise: decided, resolve: decide } = Promise.withResolvers<undefined>();
  await using peer = await open({ auth: () => decided });
  peer.send(stream(1, false), message(1, 300 * 1024), message(1, 1));
  expect(await peer.responded(1)).toBe(Code.ResourceExhausted);
  for (const id of idsTo(21).slice(1)) {
    peer.send(requestFrame(id, echo, { data: new Uint8Array(mib) }));
  }
  expect(await peer.responded(21)).toBe(Code.ResourceExhausted);
  const refused = idsTo(21).filter((id) => peer.codes.get(id) === Code.ResourceExhausted);
  expect(refused).toEqual([1, 11, 13, 15, 17, 19, 21]);
  decide(undefined);
  expect(await peer.responded(3)).toBe(Code.Unauthenticated);
  // What has passed the gate, or not, makes room.
  peer.send(requestFrame(23, echo, { data: new Uint8Array(mib) }));
  expect(await peer.responded(23)).toBe(Code.Unauthenticated);
});

test("messages in chunks that are not whole have 16 MiB, and a message more; others wait for their turn", async () => {
  await using peer = await open();
  const length = 4 * mib - 1;
  const chunk = (streamId: number, flags: number, data: Uint8Array): RawFrame => ({
    streamId,
    type: frameType.chunk,
    flags,
    data,
  });
  const ids = idsTo(19);
  for (const id of ids) {
    peer.send(
      requestFrame(id, echo, undefined, { flags: openFlags.stream, chunked: true }),
      chunk(id, frameFlag.chunkLength, uint32Bytes(length)),
    );
  }
  peer.send(requestFrame(21, echo, {}));
  expect(await peer.responded(21)).toBe(0);
  expect([...peer.allowed]).toEqual([1, 3, 5, 7]);
  // A call that has ended makes room, and so does a message that is whole, be it none at all.
  peer.send({ streamId: 1, type: frameType.cancel }, requestFrame(23, echo, {}));
  expect(await peer.responded(23)).toBe(0);
  expect([...peer.allowed]).toEqual([1, 3, 5, 7, 9]);
  peer.send(chunk(3, frameFlag.none, new Uint8Array(length)));
  expect(await peer.responded(3)).toBe(Code.InvalidArgument);
  peer.send(requestFrame(25, echo, {}));
  expect(await peer.responded(25)).toBe(0);
  expect([...peer.allowed]).toEqual([1, 3, 5, 7, 9, 11]);
  // Who gives up waiting makes no room, and takes no turn.
  peer.send(
    { streamId: 13, type: frameType.cancel },
    { streamId: 5, type: frameType.cancel },
    requestFrame(27, echo, {}),
  );
  expect(await peer.responded(27)).toBe(0);
  expect([...peer.allowed]).toEqual([1, 3, 5, 7, 9, 11, 15]);
});
