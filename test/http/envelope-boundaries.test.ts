import fc from "fast-check";
import { expect, test } from "vitest";
import { gatherChunks } from "../../src/http/envelope-boundaries.ts";

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.byteLength + 1)), bytes.byteLength].sort((a, b) => a - b);
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

function envelope(message: Uint8Array): Uint8Array {
  const whole = new Uint8Array(5 + message.byteLength);
  new DataView(whole.buffer).setUint32(1, message.byteLength);
  whole.set(message, 5);
  return whole;
}

const maxMessageBytes = 100;

test("a body is given whole at its end, wherever it was cut, and its chunks are left as they are", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.array(fc.nat()), (bytes, places) => {
      const sent = bytes.slice();
      const gathered = gatherChunks({ kind: "body", maxMessageBytes: 1_000_000 });
      for (const chunk of cut(sent, places)) {
        expect(gathered.add(chunk)).toBeUndefined();
      }
      expect(gathered.rest()).toEqual(bytes.byteLength === 0 ? undefined : bytes);
      expect(sent).toEqual(bytes);
    }),
  );
});

test("a body that is too long is given before its end, for it to be refused", () => {
  const gathered = gatherChunks({ kind: "body", maxMessageBytes });
  expect(gathered.add(new Uint8Array(maxMessageBytes))).toBeUndefined();
  expect(gathered.add(new Uint8Array(1))?.byteLength).toBe(maxMessageBytes + 1);
});

test("messages are given as soon as they are whole, in their order, wherever they were cut", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: maxMessageBytes }));
  fc.assert(
    fc.property(messages, fc.array(fc.nat()), fc.nat({ max: 4 }), (all, places, more) => {
      const whole = Buffer.concat(all.map(envelope));
      const bytes = Buffer.concat([whole, new Uint8Array(more)]);
      const gathered = gatherChunks({ kind: "envelopes", maxMessageBytes });
      let sent = 0;
      let given: Buffer = Buffer.alloc(0);
      for (const chunk of cut(bytes, places)) {
        sent += chunk.byteLength;
        given = Buffer.concat([given, gathered.add(chunk) ?? Buffer.alloc(0)]);
        // Nothing that is whole is held back, and nothing is given that is not.
        const ends = all.map((_, index) => Buffer.concat(all.slice(0, index + 1).map(envelope)).byteLength);
        expect(given.byteLength).toBe(Math.max(0, ...ends.filter((end) => end <= sent)));
      }
      expect(given).toEqual(whole);
      expect(gathered.rest()?.byteLength ?? 0).toBe(more);
    }),
  );
});

test("a message that is too long is given with its beginning, for it to be refused", () => {
  const gathered = gatherChunks({ kind: "envelopes", maxMessageBytes });
  const long = envelope(new Uint8Array(maxMessageBytes + 1));
  expect(gathered.add(long.subarray(0, 4))).toBeUndefined();
  expect(gathered.add(long.subarray(4, 6))).toEqual(long.subarray(0, 6));
});
