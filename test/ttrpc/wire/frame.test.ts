import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { maxDataBytes } from "../../../src/ttrpc/limits.ts";
import type { Frame } from "../../../src/ttrpc/wire/frame.ts";
import { createFrameDecoder, frameType, headerBytes, uint32, uint32Bytes } from "../../../src/ttrpc/wire/frame.ts";
import { createFrameWriter } from "../../../src/ttrpc/wire/frame-writer.ts";
import { cutAt, encodeFrame } from "../../support/ttrpc/raw-frames.ts";

const frames = fc.record({
  streamId: fc.nat({ max: 0xffffffff }),
  type: fc.nat({ max: 0xff }),
  flags: fc.nat({ max: 0xff }),
  data: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }).map(repeated)),
});

/** Data longer than the writer's chunks. */
function repeated(data: Uint8Array): Uint8Array {
  return data.byteLength === 0 ? data : new Uint8Array(70_000).map((_, at) => data[at % data.byteLength] ?? 0);
}

/** Places to cut at, each as a part of the whole. */
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

/** A frame as text, which is compared a thousand times as fast. */
function textOf({ streamId, type, flags, data }: Frame): string {
  return `${streamId} ${type} ${flags} ${data === undefined ? "skipped" : Buffer.from(data).toString("hex")}`;
}

/** What a decoder makes of chunks. */
function decode(chunks: readonly Uint8Array[]): string[] {
  const decoded: string[] = [];
  const decoder = createFrameDecoder((frame) => decoded.push(textOf(frame)));
  for (const chunk of chunks) {
    decoder.push(chunk);
  }
  expect(decoder.atBoundary()).toBe(true);
  return decoded;
}

describe("frames come out of the decoder as they went into the writer", () => {
  test("however they were cut", () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 8 }), cuts, (sent, places) => {
        const writer = createFrameWriter();
        for (const { streamId, type, flags, data } of sent) {
          const at = writer.begin(data.byteLength, streamId, type, flags);
          writer.bytes.set(data, at);
        }
        const bytes = Buffer.concat(writer.take().map(({ bytes }) => bytes));
        expect(decode(cutAt(bytes, places))).toEqual(sent.map(textOf));
      }),
    );
  });

  test("if each byte comes alone", () => {
    const sent = [
      { streamId: 1, type: 1, flags: 2, data: Uint8Array.of(1, 2, 3) },
      { streamId: 0xffffffff, type: 0xff, flags: 0xff, data: new Uint8Array(0) },
    ];
    const bytes = Buffer.concat(sent.map((frame) => encodeFrame(frame)));
    expect(decode([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(sent.map(textOf));
  });

  test("if the longest that is allowed comes with others", () => {
    const long = { streamId: 3, type: 3, flags: 0, data: new Uint8Array(maxDataBytes).fill(7) };
    const short = { streamId: 5, type: 3, flags: 1, data: Uint8Array.of(1) };
    const bytes = Buffer.concat([encodeFrame(short), encodeFrame(long), encodeFrame(short)]);
    expect(decode(cutAt(bytes, [0.2, 0.7])).join()).toBe([short, long, short].map(textOf).join());
  });
});

test("what a writer has given away is not written to again", () => {
  fc.assert(
    fc.property(fc.array(fc.array(frames, { minLength: 1, maxLength: 4 }), { maxLength: 5 }), (batches) => {
      const writer = createFrameWriter();
      const taken: { chunk: Uint8Array; copy: Uint8Array }[] = [];
      for (const batch of batches) {
        for (const { streamId, type, flags, data } of batch) {
          const at = writer.begin(data.byteLength, streamId, type, flags);
          writer.bytes.set(data, at);
        }
        const expected = batch.reduce((bytes, { data }) => bytes + headerBytes + data.byteLength, 0);
        expect(writer.pendingBytes).toBe(expected);
        taken.push(...writer.take().map(({ bytes }) => ({ chunk: bytes, copy: bytes.slice() })));
        expect(writer.pendingBytes).toBe(0);
      }
      for (const { chunk, copy } of taken) {
        expect(Buffer.compare(chunk, copy)).toBe(0);
      }
      expect(decode(taken.map(({ chunk }) => chunk))).toEqual(batches.flat().map(textOf));
    }),
  );
});

describe("a frame that is longer than allowed", () => {
  test.each([
    ["in one piece", [] as number[]],
    ["in pieces", [0.000_000_1, 0.3, 0.999]],
  ])("is skipped and reported without its data, %s", (_how, places) => {
    const long = encodeFrame({ streamId: 7, type: 1, flags: 2, data: new Uint8Array(maxDataBytes + 1) });
    const short = { streamId: 9, type: 3, flags: 0, data: Uint8Array.of(1, 2) };
    const bytes = Buffer.concat([encodeFrame(short), long, encodeFrame(short)]);
    expect(decode(cutAt(bytes, places))).toEqual([textOf(short), "7 1 2 skipped", textOf(short)]);
  });

  test("is not held while it comes", () => {
    const held: number[] = [];
    const decoder = createFrameDecoder(({ data }) => held.push(data?.byteLength ?? -1));
    const length = 0x00ffffff;
    decoder.push(Uint8Array.of(...uint32Bytes(length), 0, 0, 0, 1, 3, 0));
    const piece = new Uint8Array(65_536);
    for (let left = length; left > 0; left -= piece.byteLength) {
      expect(held).toEqual([]);
      decoder.push(piece.subarray(0, Math.min(left, piece.byteLength)));
    }
    expect(held).toEqual([-1]);
    expect(decoder.atBoundary()).toBe(true);
  });
});

describe("whatever comes", () => {
  test("the decoder does not hang, and fails if and only if a length begins with another byte than zero", () => {
    const almostFrames = fc
      .array(fc.oneof(fc.uint8Array({ maxLength: 30 }), frames.map(encodeFrame), fc.constant(new Uint8Array(12))))
      .map((parts) => new Uint8Array(Buffer.concat(parts)));
    fc.assert(
      fc.property(almostFrames, cuts, (bytes, places) => {
        const whole = outcome([bytes]);
        expect(outcome(cutAt(bytes, places))).toEqual(whole);
        expect(whole).toEqual(reference(bytes));
      }),
    );
  });

  /** What becomes of chunks. */
  function outcome(chunks: readonly Uint8Array[]) {
    const seen: (number | undefined)[] = [];
    const decoder = createFrameDecoder(({ data }) => seen.push(data?.byteLength));
    try {
      for (const chunk of chunks) {
        decoder.push(chunk);
      }
      return { seen, boundary: decoder.atBoundary(), failed: false };
    } catch (error) {
      expect(error).toEqual(new Error("the other side does not speak ttrpc"));
      return { seen, boundary: false, failed: true };
    }
  }

  /** The same, read off the protocol: all bytes are there, so nothing has to wait. */
  function reference(bytes: Uint8Array) {
    const seen: (number | undefined)[] = [];
    let at = 0;
    while (bytes.byteLength - at >= headerBytes) {
      if (bytes[at] !== 0) {
        return { seen, boundary: false, failed: true };
      }
      const length = uint32(bytes, at);
      if (at + headerBytes + length > bytes.byteLength) {
        return { seen, boundary: false, failed: false };
      }
      seen.push(length > maxDataBytes ? undefined : length);
      at += headerBytes + length;
    }
    return { seen, boundary: at === bytes.byteLength, failed: false };
  }
});

test("32 bits in network order are read as they were written", () => {
  fc.assert(
    fc.property(fc.nat({ max: 0xffffffff }), (value) => {
      expect(uint32(uint32Bytes(value), 0)).toBe(value);
    }),
  );
});

test("the data of a frame has a buffer of its own: it keeps no chunk, and no other call's message can be reached by it", () => {
  const frames: Frame[] = [];
  const decoder = createFrameDecoder((frame) => frames.push(frame));
  const two = [1, 3].map((streamId) => encodeFrame({ streamId, type: frameType.data, data: Uint8Array.of(7, 7) }));
  const chunk = new Uint8Array(Buffer.concat([...two, new Uint8Array(4)]));
  decoder.push(chunk);
  expect(frames.map(({ data }) => data?.buffer.byteLength)).toEqual([2, 2]);
});
