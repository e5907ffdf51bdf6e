import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeEnvelope } from "../../../src/http/wire/envelope.ts";
import { EnvelopeReader } from "../../../src/node/grpc/envelope-reader.ts";

const messages = fc
  .array(fc.oneof(fc.nat(20), fc.nat(70_000)), { maxLength: 6 })
  .map((lengths) => lengths.map((length, index) => new Uint8Array(length).fill(index + 1)));
const pieceLengths = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 20 });

/** Reads bytes in pieces of these lengths, over and over. */
function readInPieces(bytes: Uint8Array, lengths: readonly number[]) {
  const read: Uint8Array[] = [];
  const reader = new EnvelopeReader(1024 * 1024, (message) => read.push(message));
  for (let start = 0, turn = 0; start < bytes.byteLength; turn++) {
    const end = start + (lengths[turn % lengths.length] ?? 1);
    // As Node does, with memory that is used again.
    const piece = Buffer.from(bytes.subarray(start, end));
    reader.read(piece);
    piece.fill(0xee);
    start = end;
  }
  return { read, incomplete: reader.incomplete };
}

test("messages arrive as they were, whatever pieces they come in", () => {
  fc.assert(
    fc.property(messages, pieceLengths, (sent, lengths) => {
      const { read, incomplete } = readInPieces(Buffer.concat(sent.map((each) => encodeEnvelope(0, each))), lengths);
      expect(incomplete).toBe(false);
      expect(read.length).toBe(sent.length);
      expect(read.every((each, index) => Buffer.compare(each, sent[index] ?? Buffer.of()) === 0)).toBe(true);
    }),
  );
});

test("a message whose end is missing is incomplete, wherever it was cut", () => {
  const whole = encodeEnvelope(0, new Uint8Array(20_000).fill(7));
  for (const cut of [1, 4, 5, 6, 19_999, whole.byteLength - 1]) {
    expect(readInPieces(whole.subarray(0, cut), [3_000])).toEqual({ read: [], incomplete: true });
  }
});

test("no message has memory in common with what else was in its chunk", () => {
  const { read } = readInPieces(
    Buffer.concat([encodeEnvelope(0, Buffer.from("secret")), encodeEnvelope(0, Buffer.from("mine"))]),
    [99],
  );
  expect(Buffer.from(read[1]?.buffer ?? new ArrayBuffer(0)).toString()).toBe("mine");
});

test("a message that says it is long takes no more memory than has come of it", () => {
  const before = process.memoryUsage().arrayBuffers;
  const kept = Array.from({ length: 20 }, () => {
    const each = new EnvelopeReader(0xffffffff, () => undefined);
    each.read(Buffer.of(0, 0xf0, 0, 0, 0, 1));
    return each;
  });
  expect(kept.every((each) => each.incomplete)).toBe(true);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
});

test.each([
  ["longer than is taken", Buffer.of(0, 0xff, 0xff, 0xff, 0xff), Code.ResourceExhausted],
  ["compressed", Buffer.of(1, 0, 0, 0, 0), Code.Internal],
])("a message is refused by its prefix alone that is %s", (_what, prefix, code) => {
  const reader = new EnvelopeReader(1024, () => expect.unreachable());
  const read = () => {
    for (const byte of prefix) {
      reader.read(Buffer.of(byte));
    }
  };
  expect(read).toThrow(expect.objectContaining({ code }));
  expect(read).toThrow(ConnectError);
});
