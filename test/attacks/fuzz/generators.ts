import fc from "fast-check";

/** Text of any characters, halves of them and controls included. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
);

/** Bytes that anybody could send. */
export const junk: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 40 });

/** Where to cut what is sent, as parts of the whole. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 });

/** Now and then something else than usually. */
export function mostly<T>(usual: fc.Arbitrary<T>, ...others: readonly fc.Arbitrary<T>[]): fc.Arbitrary<T> {
  return fc.oneof({ weight: 4 * others.length, arbitrary: usual }, ...others);
}

/** Bytes with some of them changed, left out or added. */
export function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    drop: fc.nat({ max: 3 }),
    put: fc.uint8Array({ maxLength: 3 }),
  });
  return fc.tuple(bytes, fc.array(change, { minLength: 1, maxLength: 3 })).map(([whole, changes]) =>
    changes.reduce<Uint8Array>((all, { at, drop, put }) => {
      const place = Math.floor(at * all.byteLength);
      return Buffer.concat([all.subarray(0, place), put, all.subarray(place + drop)]);
    }, whole),
  );
}
