import fc from "fast-check";
import { expect, test } from "vitest";
import { createTokenBucket } from "../../src/node/token-bucket.ts";

test("gives a burst at once, and then as much as flows in", () => {
  let now = 0;
  const bucket = createTokenBucket(10, 3, () => now);
  const take = () => Math.round(bucket.take() * 1000);
  expect([take(), take(), take(), take()]).toEqual([0, 0, 0, 100]);
  now = 40;
  expect(take()).toBe(60);
  now = 100;
  expect([take(), take()]).toEqual([0, 100]);
  // However long it is quiet, it holds no more.
  now = 1_000_000;
  expect([take(), take(), take(), take()]).toEqual([0, 0, 0, 100]);
});

test("gives in no span of time more than a burst and what flowed in, and always after the time it has named", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 1_000, noNaN: true }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.double({ min: 0, max: 2_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
      (perSecond, capacity, waits) => {
        let now = 0;
        const bucket = createTokenBucket(perSecond, capacity, () => now);
        const taken: number[] = [];
        let namedTime: number | undefined;
        for (const wait of waits) {
          now += wait;
          const seconds = bucket.take();
          if (namedTime !== undefined && now > namedTime + 1e-6) {
            expect(seconds).toBe(0);
          }
          namedTime = seconds === 0 ? undefined : now + seconds * 1000;
          if (seconds === 0) {
            taken.push(now);
          }
        }
        for (const [first, begin] of taken.entries()) {
          for (const [last, end] of taken.entries()) {
            if (last >= first) {
              expect(last - first + 1).toBeLessThanOrEqual(capacity + ((end - begin) / 1000) * perSecond + 1e-6);
            }
          }
        }
      },
    ),
  );
});
