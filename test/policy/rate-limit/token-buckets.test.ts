import fc from "fast-check";
import { expect, test } from "vitest";
import { createTokenBuckets } from "../../../src/policy/rate-limit/token-buckets.ts";

/** Buckets with a clock that the test sets. */
function bucketsAt(perSecond: number, burst: number, maxBuckets?: number) {
  const clock = { now: 0 };
  const buckets = createTokenBuckets({ perSecond, burst }, maxBuckets, () => clock.now);
  return { clock, take: (name = "a") => Math.round(buckets.take(name) * 1000) };
}

test("gives a burst at once, and then as much as flows in", () => {
  const { clock, take } = bucketsAt(10, 3);
  expect([take(), take(), take(), take()]).toEqual([0, 0, 0, 100]);
  clock.now = 40;
  expect(take()).toBe(60);
  clock.now = 100;
  expect([take(), take()]).toEqual([0, 100]);
  // However long it is quiet, it holds no more.
  clock.now = 1_000_000;
  expect([take(), take(), take(), take()]).toEqual([0, 0, 0, 100]);
});

test("charges for what has happened, and lets no one owe more than a bucket holds", () => {
  const clock = { now: 0 };
  const { charge, take, wait } = createTokenBuckets({ perSecond: 10, burst: 3 }, undefined, () => clock.now);
  expect(wait("a")).toBe(0);
  for (let call = 0; call < 3; call++) {
    expect(wait("a")).toBe(0);
    charge("a");
  }
  expect(wait("a")).toBeCloseTo(0.1);
  for (let call = 0; call < 100; call++) {
    charge("a");
  }
  expect(wait("a")).toBeCloseTo(0.4);
  // Looking takes nothing, and others come and go meanwhile.
  clock.now = 300;
  take("b");
  take("c");
  expect(wait("a")).toBeCloseTo(0.1);
  clock.now = 400;
  expect([wait("a"), take("a")]).toEqual([0, 0]);
});

test("has a bucket for each name", () => {
  const { clock, take } = bucketsAt(10, 1);
  expect([take("a"), take("b"), take("a"), take("b")]).toEqual([0, 0, 100, 100]);
  clock.now = 100;
  expect([take("b"), take("a"), take("c")]).toEqual([0, 0, 0]);
});

test("forgets what was not used for longest when there are too many, and never who calls on and on", () => {
  const { take } = bucketsAt(0.001, 1, 3);
  expect(take("busy")).toBe(0);
  for (let other = 0; other < 1_000; other++) {
    expect(take(`other ${other}`)).toBe(0);
    expect(take("busy")).toBeGreaterThan(0);
  }
  // The last two are known still; one before them begins anew.
  expect([take("other 999") > 0, take("other 998") > 0, take("other 0")]).toEqual([true, true, 0]);
});

test("gives in no span of time more than a burst and what flowed in, and always after the time it has named", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 1_000, noNaN: true }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.tuple(fc.double({ min: 0, max: 2_000, noNaN: true }), fc.nat({ max: 3 })), {
        minLength: 1,
        maxLength: 200,
      }),
      (perSecond, burst, waits) => {
        let now = 0;
        const buckets = createTokenBuckets({ perSecond, burst }, undefined, () => now);
        const taken = new Map<number, number[]>();
        const namedTimes = new Map<number, number>();
        for (const [wait, name] of waits) {
          now += wait;
          const seconds = buckets.take(String(name));
          if (now > (namedTimes.get(name) ?? Number.POSITIVE_INFINITY) + 1e-6) {
            expect(seconds).toBe(0);
          }
          namedTimes.delete(name);
          if (seconds === 0) {
            taken.set(name, [...(taken.get(name) ?? []), now]);
          } else {
            namedTimes.set(name, now + seconds * 1000);
          }
        }
        for (const times of taken.values()) {
          for (const [first, begin] of times.entries()) {
            for (const [last, end] of times.entries()) {
              if (last >= first) {
                expect(last - first + 1).toBeLessThanOrEqual(burst + ((end - begin) / 1000) * perSecond + 1e-6);
              }
            }
          }
        }
      },
    ),
  );
});
