import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gatherChunks } from "../../../src/http/envelope-boundaries.ts";
import { decodeEnvelopes, encodeEnvelope } from "../../../src/http/wire/envelope.ts";
import { rejection } from "../../support/rejection.ts";

const maxMessageBytes = 100;
const envelopes = fc.array(
  fc.record({ flags: fc.integer({ min: 0, max: 255 }), data: fc.uint8Array({ maxLength: maxMessageBytes }) }),
  { maxLength: 20 },
);

/** The bytes as they come over a wire, cut at these places. */
async function* cut(bytes: Uint8Array, places: readonly number[]) {
  const gathered = gatherChunks({ kind: "envelopes", maxMessageBytes });
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  let start = 0;
  for (const end of [...ends, bytes.length]) {
    const whole = gathered.add(bytes.slice(start, end));
    start = end;
    if (whole !== undefined) {
      yield whole;
    }
  }
  const rest = gathered.rest();
  if (rest !== undefined) {
    yield rest;
  }
}

const join = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

describe("the envelopes of a body", () => {
  test("are read as they were written, wherever their bytes were cut", async () => {
    await fc.assert(
      fc.asyncProperty(envelopes, fc.array(fc.nat()), async (written, places) => {
        const bytes = join(written.map(({ flags, data }) => encodeEnvelope(flags, data)));
        const read = await Array.fromAsync(decodeEnvelopes(cut(bytes, places), maxMessageBytes));
        expect(read.map(({ flags, data }) => ({ flags, data: Buffer.from(data) }))).toEqual(
          written.map(({ flags, data }) => ({ flags, data: Buffer.from(data) })),
        );
      }),
    );
  });

  test("are read up to one that lacks its end, which is the caller's mistake", async () => {
    await fc.assert(
      fc.asyncProperty(envelopes, fc.array(fc.nat()), fc.nat(), async (written, places, lacking) => {
        const last = encodeEnvelope(0, Uint8Array.of(1, 2, 3));
        const whole = written.map(({ flags, data }) => encodeEnvelope(flags, data));
        const bytes = join([...whole, last.subarray(0, 1 + (lacking % (last.byteLength - 1)))]);
        let read = 0;
        const error = await rejection(
          (async () => {
            for await (const _ of decodeEnvelopes(cut(bytes, places), maxMessageBytes)) {
              read += 1;
            }
          })(),
        );
        expect(error).toMatchObject({ code: Code.InvalidArgument });
        expect(read).toBe(written.length);
      }),
    );
  });

  test("are refused from one on that says that it is too long, before its data has come", async () => {
    const tooLong = encodeEnvelope(0, new Uint8Array(maxMessageBytes + 1)).subarray(0, 5);
    const bytes = join([encodeEnvelope(0, Uint8Array.of(1)), tooLong]);
    const decoding = decodeEnvelopes(cut(bytes, []), maxMessageBytes);
    expect((await decoding.next()).value?.data).toEqual(Uint8Array.of(1));
    expect(await rejection(decoding.next())).toMatchObject({ code: Code.ResourceExhausted });
  });
});
