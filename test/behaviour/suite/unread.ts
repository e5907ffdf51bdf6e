import { Code } from "@connectrpc/connect";
import { describe, expect, test, vi } from "vitest";
import { rejection } from "../../support/rejection.ts";
import type { OpenRoute } from "./route.ts";
import { describeIf } from "./route.ts";

/** Streams that no one reads, and streams that never wait. */
export function describeUnreadAndEndless({ carries, client }: OpenRoute) {
  describe("streams that are opened and not read", () => {
    test("tell what they have failed with when they are read, and until then no one", async () => {
      const unhandled = watchUnhandled();
      const signal = AbortSignal.abort();
      const streams: AsyncIterable<unknown>[] = [
        client().produce({ count: 1 }, { signal }),
        client().produce({ count: 1 }, { headers: [["no name", "x"]] }),
        client().produce({ count: 1, failCode: Code.Aborted }, { timeoutMs: 0.001 }),
        client().misbehaveStreaming({ how: "throws null" }, { signal }),
      ];
      if (carries("bidi_streaming")) {
        streams.push(client().converse(nothing(), { signal }));
      }
      // The caller does something else first.
      await client().echo({});
      await new Promise((resolve) => setTimeout(resolve, 0));
      expect(await Promise.all(streams.map(async (stream) => (await rejection(Array.fromAsync(stream))).code))).toEqual(
        [
          Code.Canceled,
          Code.InvalidArgument,
          Code.DeadlineExceeded,
          Code.Canceled,
          ...(carries("bidi_streaming") ? [Code.Canceled] : []),
        ],
      );
      expect(unhandled()).toEqual([]);
    });

    test("end at their deadline, for the handler too, and disturb no one", async () => {
      const unhandled = watchUnhandled();
      const id = crypto.randomUUID();
      const stream = client().produce({ id, count: 0, size: 1000 }, { timeoutMs: 1000 });
      await vi.waitFor(async () => expect((await client().watch({ id })).finished).toBe(true), { timeout: 10_000 });
      stream[Symbol.asyncIterator]();
      expect(unhandled()).toEqual([]);
    });
  });

  describeIf(carries("client_streaming"), "streams of requests that never wait", () => {
    test("end at the deadline, and keep the caller's process from nothing", async () => {
      const id = crypto.randomUUID();
      const message = { id, data: new Uint8Array(10) };
      const endless = {
        [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false as const, value: message }) }),
      };
      let turns = 0;
      const timer = setInterval(() => {
        turns += 1;
      }, 1);
      const error = await rejection(client().collect(endless, { timeoutMs: 1000 }));
      clearInterval(timer);
      expect(error.code).toBe(Code.DeadlineExceeded);
      expect(turns).toBeGreaterThan(0);
      await vi.waitFor(async () => expect((await client().watch({ id })).finished).toBe(true), { timeout: 10_000 });
    });
  });
}

async function* nothing(): AsyncGenerator<never> {}

/** What was rejected since with no one to handle it. Where nothing tells (Workers), the test runner does. */
function watchUnhandled(): () => readonly unknown[] {
  const seen: unknown[] = [];
  const listen = (reason: unknown) => void seen.push(reason);
  const { process } = globalThis as {
    process?: Partial<Record<"on" | "off", (event: string, listen: unknown) => void>>;
  };
  process?.on?.("unhandledRejection", listen);
  return () => {
    process?.off?.("unhandledRejection", listen);
    return seen;
  };
}
