import { describe, expect, test } from "vitest";
import type { OpenRoute } from "./route.ts";

const dayMs = 24 * 60 * 60 * 1000;

/** Deadlines from 0 to Infinity mean the same over every route. */
export function describeDeadlines({ carries, client }: OpenRoute) {
  describe("deadlines", () => {
    test.each([0, -1, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY])("of %d ms are none", async (timeoutMs) => {
      expect((await client().inspect({}, { timeoutMs })).timeoutMs).toBe(-1);
      expect(await Array.fromAsync(client().produce({ count: 2 }, { timeoutMs }))).toHaveLength(2);
    });

    test("with a fraction of a millisecond are rounded up", async () => {
      const { timeoutMs } = await client().inspect({}, { timeoutMs: 60_000.5 });
      expect(timeoutMs).toBeGreaterThan(0);
      expect(timeoutMs).toBeLessThanOrEqual(60_001);
    });

    test.each([
      ["two days", 2 * dayMs, 2 * dayMs],
      ["what a timer can be set for", 2 ** 31 - 1, 24 * dayMs],
      ["more than a timer can be set for", 2 ** 31, 24 * dayMs],
      ["a month", 30 * dayMs, 24 * dayMs],
      ["as long as a number can say", Number.MAX_VALUE, 24 * dayMs],
    ])("deadlines of %s are not over at once", async (_, timeoutMs, leastMs) => {
      const seen = (await client().inspect({}, { timeoutMs })).timeoutMs;
      expect(seen).toBeGreaterThan(leastMs - dayMs);
      expect(seen).toBeLessThan(25 * dayMs);
      expect(await Array.fromAsync(client().produce({ count: 2 }, { timeoutMs }))).toHaveLength(2);
      if (carries("client_streaming")) {
        async function* requests() {
          yield { id: "long" };
          yield { id: "long" };
        }
        expect((await client().collect(requests(), { timeoutMs })).messages).toBe(2);
      }
    });
  });
}
