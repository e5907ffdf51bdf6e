import { once } from "node:events";
import * as http2 from "node:http2";
import type { Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Attacked } from "./attacked.ts";
import { call, dial, echoes, service, startAttacked } from "./attacked.ts";

let attacked: Attacked;
beforeEach(async () => {
  attacked = await startAttacked("node", { maxConcurrentStreams: 10 });
});
afterEach(() => attacked?.stop());

const frameTypes = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, continuation: 9 } as const;

function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.byteLength, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

/** A header of HPACK without Huffman coding and without a place in the table. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0, ...text(name)), Buffer.of(...text(value))]);
}

function text(value: string): number[] {
  const bytes = [...Buffer.from(value)];
  const { length } = bytes;
  if (length < 127) {
    return [length, ...bytes];
  }
  const rest = length - 127;
  return rest < 128 ? [127, rest, ...bytes] : [127, (rest & 127) | 128, rest >> 7, ...bytes];
}

const post = Buffer.concat([
  literal(":method", "POST"),
  literal(":scheme", "http"),
  literal(":authority", "localhost"),
  literal(":path", `${service}/Echo`),
  literal("content-type", "application/json"),
]);

async function open(): Promise<Socket> {
  const socket = await dial(attacked, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame(frameTypes.settings, 0, 0));
  socket.resume();
  return socket;
}

/** Sends the same again and again. Settles when the server has closed the connection. */
async function floodUntilClosed(socket: Socket, frames: (turn: number) => Uint8Array, most: number): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  for (let turn = 0; turn < most && !socket.destroyed; turn++) {
    if (!socket.write(frames(turn))) {
      await Promise.race([new Promise((resolve) => socket.once("drain", resolve)), closed]);
    } else if (turn % 100 === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await closed;
}

async function expectAlive() {
  expect((await call(attacked, "Watch")).status).toBe(200);
}

test("requests that are taken back at once end the connection, and few of them reach a handler", async () => {
  const socket = await open();
  const reset = Buffer.from([0, 0, 0, 8]);
  await floodUntilClosed(
    socket,
    (turn) =>
      Buffer.concat([
        frame(frameTypes.headers, 0x05, 2 * turn + 1, post),
        frame(frameTypes.reset, 0, 2 * turn + 1, reset),
      ]),
    20_000,
  );
  expect(await echoes(attacked)).toBeLessThan(5_000);
});

test("headers that are continued without end close the connection", async () => {
  const socket = await open();
  socket.write(frame(frameTypes.headers, 0, 1, post));
  const more = frame(frameTypes.continuation, 0, 1, literal("x-more", "a".repeat(1000)));
  await floodUntilClosed(socket, () => more, 100_000);
  await expectAlive();
  expect(await echoes(attacked)).toBe(0);
});

test("empty headers that are continued without end close the connection", async () => {
  const socket = await open();
  socket.write(frame(frameTypes.headers, 0, 1, post));
  await floodUntilClosed(socket, () => frame(frameTypes.continuation, 0, 1), 100_000);
  await expectAlive();
});

test("a header that is long in the table and short on the wire is not unpacked without end", async () => {
  const socket = await open();
  // One entry of 4,000 bytes for the table, then references to it: 16,000 in a frame would be 64 MB.
  const entry = Buffer.concat([Buffer.of(0x40, ...text("x-bomb")), Buffer.of(...text("a".repeat(3_900)))]);
  const references = Buffer.alloc(10_000, 0x80 | 62);
  socket.write(frame(frameTypes.headers, 0x05, 1, Buffer.concat([post, entry])));
  const bomb = frame(frameTypes.headers, 0x05, 3, Buffer.concat([post, references]));
  socket.write(bomb);
  for (let turn = 0; turn < 200; turn++) {
    socket.write(frame(frameTypes.headers, 0x05, 2 * turn + 5, bomb.subarray(9)));
  }
  // What is written before is read before.
  const responded = new Promise((resolve) => socket.once("close", resolve));
  socket.end();
  await responded;
  await expectAlive();
  // The first alone was no longer than it may be.
  expect(await echoes(attacked)).toBeLessThanOrEqual(1);
});

test.each([
  ["pings", () => frame(frameTypes.ping, 0, 0, Buffer.alloc(8))],
  ["settings", () => frame(frameTypes.settings, 0, 0)],
])("%s without end, whose responses no one reads, close the connection", async (_, make) => {
  const socket = await open();
  socket.pause();
  const many = Buffer.concat(Array.from({ length: 1000 }, make));
  await floodUntilClosed(socket, () => many, 20_000);
  await expectAlive();
});

test("a header that would be two lines over HTTP/1.1 reaches no handler", async () => {
  const path = literal(":path", `${service}/Inspect`);
  const inspect = Buffer.concat([
    post.subarray(0, post.indexOf(":path") - 2),
    path,
    literal("content-type", "application/json"),
  ]);
  for (const value of ["a\r\nb: c", "a\nb: c", "a\0b"]) {
    const socket = await open();
    let response = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      response = Buffer.concat([response, chunk]);
    });
    socket.write(frame(frameTypes.headers, 0x04, 1, Buffer.concat([inspect, literal("x-behaviour", value)])));
    socket.write(frame(frameTypes.data, 1, 1, Buffer.from("{}")));
    // The handler would fail at it.
    while (!response.includes("timeoutMs")) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(response.toString()).not.toContain("internal error");
    }
    socket.destroy();
  }
});

test("more streams at once than the server allows are refused, and their handlers don't run", async () => {
  const session = http2.connect(attacked.url);
  await once(session, "remoteSettings");
  session.destroy();
  const socket = await open();
  let refused = 0;
  socket.on("data", (chunk: Buffer) => {
    for (let at = 0; at + 13 <= chunk.byteLength; at += 9 + chunk.readUIntBE(at, 3)) {
      // REFUSED_STREAM, or a stream that was not to be opened at all.
      if (chunk.readUInt8(at + 3) === frameTypes.reset || chunk.readUInt8(at + 3) === 7) {
        refused += 1;
      }
    }
  });
  const acknowledge = frame(frameTypes.settings, 1, 0);
  socket.write(acknowledge);
  for (let turn = 0; turn < 50; turn++) {
    // Without their end, so that they stay.
    socket.write(frame(frameTypes.headers, 0x04, 2 * turn + 1, post));
  }
  while (refused === 0 && !socket.destroyed) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  socket.destroy();
  expect(refused).toBeGreaterThan(0);
  expect(await echoes(attacked)).toBe(0);
});
