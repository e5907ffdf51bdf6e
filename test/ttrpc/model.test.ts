import type { Client } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultLog } from "../../src/base/log.ts";
import { trustedLimits } from "../../src/call/call-policy.ts";
import { createServiceTable } from "../../src/plugin/service-table.ts";
import { createTtrpcClient } from "../../src/ttrpc/client/client.ts";
import { createTtrpcServing } from "../../src/ttrpc/server/server.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import type { Whims } from "../support/ttrpc/torn-carrier.ts";
import { tornCarrierPair } from "../support/ttrpc/torn-carrier.ts";

/** A call, and what is to become of it: the model of one stream. */
interface Plan {
  readonly kind: "unary" | "server" | "client" | "bidi";
  readonly extended: boolean;
  /** Knows plugboard.chunk.v1, too. */
  readonly chunked?: boolean;
  /** Size of each message, in bytes. */
  readonly sizes: readonly number[];
  /** Code that the handler fails with, after all messages; 0: it ends well. */
  readonly failCode: number;
  /** After so many responses the caller gives up; `undefined`: it does not. */
  readonly cancelAfter: number | undefined;
}

/** Largest message of either side, in bytes. */
const maxMessageBytes = 8 * 1024 * 1024;

const sizes = fc.array(fc.oneof(fc.nat(50), fc.nat(5_000), fc.constant(200_000)), { maxLength: 8 });
const plan = {
  kind: fc.constantFrom("unary", "server", "client", "bidi"),
  extended: fc.boolean(),
  sizes,
  failCode: fc.constantFrom(0, 0, Code.Aborted, Code.DataLoss),
  cancelAfter: fc.option(fc.nat(4), { nil: undefined, freq: 3 }),
} as const;
const whims = fc.record({
  pieces: fc.infiniteStream(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1000, max: 100_000 }))),
  turns: fc.infiniteStream(fc.nat(2)),
});

const content = (size: number, index: number) => new Uint8Array(size).fill(index + 1);

const table = createServiceTable([
  (router) =>
    router.service(BehaviourService, {
      echo: ({ text, data }) => {
        if (text !== "") {
          throw new ConnectError("as planned", Number(text));
        }
        return { data };
      },
      async *converse(requests) {
        for await (const { text, failCode } of requests) {
          if (failCode !== 0) {
            throw new ConnectError("as planned", failCode);
          }
          yield { text };
        }
      },
      async *produce({ id, failCode }) {
        for (const [index, size] of (JSON.parse(id) as number[]).entries()) {
          yield { index, data: content(size, index) };
        }
        if (failCode !== 0) {
          throw new ConnectError("as planned", failCode);
        }
      },
      async collect(requests) {
        let bytes = 0n;
        let messages = 0;
        for await (const { data, failCode } of requests) {
          if (failCode !== 0) {
            throw new ConnectError("as planned", failCode);
          }
          messages += 1;
          bytes += BigInt(data.byteLength);
        }
        return { messages, bytes };
      },
    }),
]);

/** What the model says that the caller sees if it does not give up: each response in short, then the error's code. */
function expected({ kind, sizes, failCode }: Plan): readonly unknown[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const end = failCode === 0 ? [] : [`code ${failCode}`];
  switch (kind) {
    case "unary":
      return failCode === 0 ? [sizes[0] ?? 0] : end;
    case "server":
      return [...sizes.map((size, index) => `${index}: ${size}`), ...end];
    case "client":
      return failCode === 0 ? [`${sizes.length}: ${total}`] : end;
    case "bidi":
      return [...sizes.map((size, index) => `${index}: ${size}`), ...end];
  }
}

/** Carries a plan out, and tells what the caller saw. */
async function carryOut(client: Client<typeof BehaviourService>, each: Plan): Promise<readonly unknown[]> {
  const { kind, sizes, failCode, cancelAfter } = each;
  const controller = new AbortController();
  const options = { signal: controller.signal };
  const seen: unknown[] = [];
  const see = (what: unknown) => {
    if (seen.length === cancelAfter) {
      controller.abort();
    }
    seen.push(what);
  };
  async function* requests() {
    for (const [index, size] of sizes.entries()) {
      yield { text: `${index}: ${size}`, data: content(size, index) };
    }
    if (failCode !== 0) {
      yield { failCode };
    }
  }
  try {
    switch (kind) {
      case "unary": {
        const text = failCode === 0 ? "" : String(failCode);
        const { data } = await client.echo({ text, data: content(sizes[0] ?? 0, 0) }, options);
        see(data.byteLength);
        break;
      }
      case "server":
        for await (const { index, data } of client.produce({ id: JSON.stringify(sizes), failCode }, options)) {
          expect(data.every((byte) => byte === index + 1)).toBe(true);
          see(`${index}: ${data.byteLength}`);
        }
        break;
      case "client": {
        const { messages, bytes } = await client.collect(requests(), options);
        see(`${messages}: ${bytes}`);
        break;
      }
      case "bidi":
        for await (const { text } of client.converse(requests(), options)) {
          see(text);
        }
        break;
    }
  } catch (error) {
    expect(error).toBeInstanceOf(ConnectError);
    seen.push(`code ${(error as ConnectError).code}`);
  }
  return seen;
}

/** Carries plans out beside each other, and sees that each went as the model says, and that nothing is left. */
async function expectModel(plans: readonly Plan[], { pieces, turns }: Whims) {
  const [ours, theirs] = tornCarrierPair({ pieces, turns });
  const serving = createTtrpcServing({
    table,
    policy: { limits: { ...trustedLimits, maxMessageBytes }, log: defaultLog },
  });
  const connection = serving.accept(theirs);
  const ttrpc = createTtrpcClient({ open: async () => ours, address: "memory", maxMessageBytes });
  const transportOf = ({ extended, chunked = false }: Plan) =>
    extended ? ttrpc.knowing({ extended, chunked }) : ttrpc.plain;
  const outcomes = await Promise.all(
    plans.map((each) => carryOut(createClient(BehaviourService, transportOf(each)), each)),
  );
  for (const [index, each] of plans.entries()) {
    const model = expected(each);
    const seen = outcomes[index] ?? [];
    if (seen.at(-1) === `code ${Code.Canceled}`) {
      // It was given up: it has seen the beginning of what there was, and no more.
      expect(each.cancelAfter).toBeDefined();
      expect(seen.slice(0, -1)).toEqual(model.slice(0, seen.length - 1));
    } else {
      expect(seen).toEqual(model);
    }
  }
  // Nothing is left: the server has no call in flight, so that it ends at once.
  const drained = serving.drain();
  ttrpc.close(new Error("the test is over"));
  await drained;
  await connection.closed;
}

test("whatever calls run beside each other, over whatever a carrier does to their bytes, each sees what it should", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.record(plan), { minLength: 1, maxLength: 6 }), whims, expectModel), {
    numRuns: 300,
    timeout: 4000,
    endOnFailure: true,
  });
}, 60_000);

test("so does each beside messages that travel in chunks", async () => {
  const large: fc.Arbitrary<Plan> = fc.record({
    kind: plan.kind,
    extended: fc.constant(true),
    chunked: fc.constant(true),
    sizes: fc.array(fc.oneof(fc.constant(4_300_000), fc.nat(5_000)), { minLength: 1, maxLength: 3 }),
    failCode: plan.failCode,
    cancelAfter: plan.cancelAfter,
  });
  const small = fc.record({ ...plan, extended: fc.constant(true) });
  const pieces = fc.infiniteStream(fc.integer({ min: 10_000, max: 400_000 }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(large, { minLength: 1, maxLength: 2 }),
      fc.array(small, { maxLength: 2 }),
      fc.record({ pieces, turns: fc.infiniteStream(fc.nat(1)) }),
      (plans, others, carrier) => expectModel([...plans, ...others], carrier),
    ),
    { numRuns: 15, timeout: 20_000, endOnFailure: true },
  );
}, 60_000);
