import fc from "fast-check";
import { expect, test } from "vitest";
import type { FrameHeader } from "../../../src/go-plugin/yamux/frame.ts";
import { createFrameDecoder, encodeHeader, frameType } from "../../../src/go-plugin/yamux/frame.ts";

interface Frame extends FrameHeader {
  readonly data: Buffer;
  readonly ended: boolean;
}

/** Decodes bytes that come in pieces. */
function decode(bytes: Buffer, pieces: readonly number[]): readonly Frame[] {
  const frames: Frame[] = [];
  const take = createFrameDecoder({
    header(header) {
      const ended = header.type !== frameType.data || header.length === 0;
      frames.push({ ...header, data: Buffer.alloc(0), ended });
    },
    data(part, last) {
      expect(part.byteLength).toBeGreaterThan(0);
      const frame = frames.at(-1);
      if (frame === undefined || frame.ended) {
        throw new Error("there is no frame that data could belong to");
      }
      frames[frames.length - 1] = { ...frame, data: Buffer.concat([frame.data, part]), ended: last };
    },
  });
  let at = 0;
  for (const size of pieces) {
    take(bytes.subarray(at, at + size));
    at += size;
  }
  take(bytes.subarray(at));
  return frames;
}

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const frame = fc.record({
  type: fc.integer({ min: 0, max: 5 }),
  flags: fc.integer({ min: 0, max: 0xffff }),
  streamId: uint32,
  value: uint32,
  data: fc.uint8Array({ maxLength: 300 }),
});

test("frames come out as they went in, however the bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(frame), fc.array(fc.nat(40)), (frames, pieces) => {
      const expected = frames.map(({ type, flags, streamId, value, data }) => {
        const isData = type === frameType.data;
        const length = isData ? data.byteLength : value;
        return { version: 0, type, flags, streamId, length, data: Buffer.from(isData ? data : []), ended: true };
      });
      const bytes = Buffer.concat(
        expected.flatMap(({ type, flags, streamId, length, data }) => [
          encodeHeader(type, flags, streamId, length),
          data,
        ]),
      );
      expect(decode(bytes, pieces)).toEqual(expected);
    }),
  );
});

test("any bytes at all are taken for frames, and none is lost", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.array(fc.nat(40)), (bytes, pieces) => {
      const frames = decode(Buffer.from(bytes), pieces);
      const whole = frames.reduce((sum, { data }) => sum + 12 + data.byteLength, 0);
      expect(bytes.byteLength - whole).toBeGreaterThanOrEqual(0);
      expect(bytes.byteLength - whole).toBeLessThan(12);
    }),
  );
});

test("a header that claims 4 GiB of data is heard before there is any", () => {
  const frames = decode(encodeHeader(frameType.data, 0, 1, 0xffff_ffff), []);
  expect(frames).toMatchObject([{ length: 0xffff_ffff, ended: false }]);
});
