import { once } from "node:events";
import type { Duplex } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { YamuxSession } from "../../../src/go-plugin/yamux/session.ts";
import { createYamuxSession } from "../../../src/go-plugin/yamux/session.ts";
import { tornPair } from "../../support/go-plugin/torn-pair.ts";

/** A stream, and what goes over it: the model. */
interface Plan {
  readonly opener: "client" | "server";
  /** Sizes of what the opener writes; it is echoed. */
  readonly sizes: readonly number[];
  /** After so many bytes of the echo the opener breaks the stream off; `undefined`: it does not. */
  readonly destroyAfter: number | undefined;
  /** True if the opener waits a turn before each chunk that it reads, so that windows run out. */
  readonly slow: boolean;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  opener: fc.constantFrom("client", "server"),
  sizes: fc.array(fc.oneof(fc.nat(100), fc.nat(5_000), fc.constant(200_000)), { maxLength: 6 }),
  destroyAfter: fc.option(fc.nat(300_000), { nil: undefined, freq: 4 }),
  slow: fc.boolean(),
});
const whims = fc.record({
  pieces: fc.infiniteStream(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1_000, max: 100_000 }))),
  turns: fc.infiniteStream(fc.constantFrom(0, 0, 0, 1)),
});

/** Bytes that tell where they belong. */
function content(sizes: readonly number[]): Buffer {
  return Buffer.concat(sizes.map((size, index) => Buffer.alloc(size, index + 1)));
}

async function carryOut(session: YamuxSession, { sizes, destroyAfter, slow }: Plan): Promise<Buffer | "broken off"> {
  const stream = session.openStream();
  void (async () => {
    for (const [index, size] of sizes.entries()) {
      if (!stream.destroyed && !stream.write(Buffer.alloc(size, index + 1))) {
        await Promise.race([once(stream, "drain"), once(stream, "close")]);
      }
    }
    stream.end();
  })();
  const echo: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    echo.push(chunk);
    length += chunk.byteLength;
    if (destroyAfter !== undefined && length > destroyAfter) {
      stream.destroy();
      return "broken off";
    }
    if (slow) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return Buffer.concat(echo);
}

test("whatever goes over streams beside each other, over whatever a connection does to its bytes, arrives whole and in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 6 }), whims, async (plans, eachWhims) => {
      const [ours, theirs] = tornPair(eachWhims);
      const open = new Set<Duplex>();
      const onStream = (stream: Duplex) => {
        open.add(stream);
        stream.once("close", () => open.delete(stream));
        stream.pipe(stream);
      };
      const sessions = {
        client: createYamuxSession(ours, { role: "client", onStream }),
        server: createYamuxSession(theirs, { role: "server", onStream }),
      };
      const outcomes = await Promise.all(plans.map((each) => carryOut(sessions[each.opener], each)));
      for (const [index, each] of plans.entries()) {
        const expected = content(each.sizes);
        const outcome = outcomes[index];
        if (outcome === "broken off") {
          expect(expected.byteLength).toBeGreaterThan(each.destroyAfter ?? Number.POSITIVE_INFINITY);
        } else {
          expect(outcome?.equals(expected)).toBe(true);
        }
      }
      await Promise.all([sessions.client.close(), sessions.server.close()]);
      expect([ours.destroyed, theirs.destroyed]).toEqual([true, true]);
      expect(open.size).toBe(0);
    }),
    { numRuns: 100, timeout: 8_000, endOnFailure: true },
  );
}, 100_000);
