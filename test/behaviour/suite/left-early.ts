import { Code } from "@connectrpc/connect";
import { describe, expect, test, vi } from "vitest";
import { rejection } from "../../support/rejection.ts";
import type { OpenRoute } from "./route.ts";
import { describeIf } from "./route.ts";

const failures = [
  { ends: "ends well", failCode: 0 },
  { ends: "throws", failCode: Code.Aborted },
];

/** How much of a stream of requests the handler takes before it leaves. */
const ways = [0, 1].flatMap((taken) =>
  failures.flatMap(({ ends, failCode }) =>
    ["waits", "never waits"].map((caller) => ({ taken, ends, failCode, caller })),
  ),
);

/**
 * A handler's messages arrive, and its caller's iterator is ended, though the handler leaves before the other side
 * does.
 */
export function describeLeftEarly({ carries, client }: OpenRoute) {
  describe("streams of responses that are read late", () => {
    test.each(failures)("arrive whole, from a handler that $ends", async ({ failCode }) => {
      const id = crypto.randomUUID();
      const stream = client().produce({ id, count: 3, size: 100, failCode });
      await vi.waitFor(async () => expect((await client().watch({ id })).messages).toBeGreaterThan(0));
      const indices: number[] = [];
      const reading = (async () => {
        for await (const { index } of stream) {
          indices.push(index);
        }
      })();
      if (failCode === 0) {
        await reading;
      } else {
        expect((await rejection(reading)).code).toBe(failCode);
      }
      expect(indices).toEqual([0, 1, 2]);
    });
  });

  describeIf(carries("client_streaming"), "streams of requests that a handler leaves early", () => {
    test.each(ways)("after $taken messages: it $ends while the caller $caller", async ({ taken, failCode, caller }) => {
      const requests = unendingRequests(caller === "waits" ? 1 : Number.POSITIVE_INFINITY);
      const call = client().collect(requests, leaving(taken, failCode));
      if (failCode === 0) {
        expect((await call).messages).toBe(taken);
      } else {
        expect((await rejection(call)).code).toBe(failCode);
      }
      await requests.ended;
      expect((await client().echo({ text: "next" })).text).toBe("next");
    });
  });

  describeIf(carries("bidi_streaming"), "conversations that a handler leaves early", () => {
    test.each(ways)("after $taken messages: it $ends while the caller $caller", async ({ taken, failCode, caller }) => {
      const requests = unendingRequests(caller === "waits" ? 1 : Number.POSITIVE_INFINITY);
      const texts: string[] = [];
      const reading = (async () => {
        for await (const { text } of client().converse(requests, leaving(taken, failCode))) {
          texts.push(text);
        }
      })();
      if (failCode === 0) {
        await reading;
      } else {
        expect((await rejection(reading)).code).toBe(failCode);
      }
      expect(texts).toEqual(new Array(taken).fill("more"));
      await requests.ended;
      expect((await client().echo({ text: "next" })).text).toBe("next");
    });
  });
}

const leaving = (taken: number, failCode: number) => ({
  headers: { "x-behaviour-taken": `${taken}`, "x-behaviour-fail-code": `${failCode}` },
});

/** Has so many messages, then waits until it is ended from outside. */
function unendingRequests(count: number) {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let given = 0;
  const end = async () => {
    resolve();
    return { done: true, value: undefined } as const;
  };
  const requests = {
    ended,
    async next() {
      if (given < count) {
        given += 1;
        return { done: false, value: { text: "more", data: new Uint8Array(10) } } as const;
      }
      await ended;
      return { done: true, value: undefined } as const;
    },
    return: end,
    throw: end,
    [Symbol.asyncIterator]: () => requests,
  };
  return requests;
}
