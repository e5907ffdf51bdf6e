import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { outputOf } from "../../../src/call/invoke/handler-output.ts";
import { Responses } from "../../../src/call/invoke/responses.ts";
import { BehaviourService, ProduceResponseSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

const method = BehaviourService.method.produce;

/** A handler: what it gives, and how. */
interface Script {
  readonly gives: readonly ("a message" | "its fields" | "nothing")[];
  readonly end: "well" | "fails";
  readonly leaving: "well" | "fails";
  readonly form: "generator" | "array" | "iterator without return" | "iterator that throws";
  readonly begins: boolean;
  /** It can begin at once. */
  readonly ready: boolean;
}

type Step = "next" | "return";

const scripts: fc.Arbitrary<Script> = fc.record({
  gives: fc.array(fc.constantFrom("a message", "a message", "its fields", "nothing"), { maxLength: 4 }),
  end: fc.constantFrom("well", "fails"),
  leaving: fc.constantFrom("well", "fails"),
  form: fc.constantFrom("generator", "generator", "array", "iterator without return", "iterator that throws"),
  begins: fc.boolean(),
  ready: fc.boolean(),
});
const steps = fc.array(fc.constantFrom<Step>("next", "next", "next", "return"), { maxLength: 8 });

function handler({ gives, end, leaving, form }: Script, events: string[]): AsyncIterable<unknown> {
  const given = gives.map((each, index) =>
    each === "a message" ? create(ProduceResponseSchema, { index }) : each === "nothing" ? undefined : { index },
  );
  async function* generate() {
    let over = false;
    try {
      events.push("entered");
      yield* given;
      over = true;
      if (end === "fails") {
        throw new Error("failed");
      }
    } finally {
      events.push(over ? "ended" : "left");
      if (!over && leaving === "fails") {
        // biome-ignore lint/correctness/noUnsafeFinally: what a handler may do, too
        throw new Error("failed while it was left");
      }
    }
  }
  if (form === "generator") {
    return generate();
  }
  if (form === "array") {
    // For those who write no types.
    return given as unknown as AsyncIterable<unknown>;
  }
  const generated = generate();
  const next =
    form === "iterator that throws"
      ? () => {
          throw new Error("threw");
        }
      : () => generated.next();
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

type Begin = () => AsyncIterable<unknown>;
type Ready = () => Begin | Promise<Begin>;

/** What the handler's messages are, said in the shortest way. */
async function* asGenerator(ready: Ready) {
  const begin = ready();
  for await (const message of typeof begin === "function" ? begin() : (await begin)()) {
    yield outputOf(method, message);
  }
}

type Read = (ready: Ready) => AsyncIterableIterator<unknown>;

async function outcome(read: Read, script: Script, steps: readonly Step[]) {
  const events: string[] = [];
  const begin = () => {
    events.push("began");
    if (!script.begins) {
      throw new Error("did not begin");
    }
    return handler(script, events);
  };
  const responses = read(script.ready ? () => begin : async () => begin);
  const results: string[] = [];
  for (const step of steps) {
    try {
      const reading = step === "next" ? responses.next() : responses.return?.();
      // By then a handler that is ready has begun, or it would not hear of the end of its call.
      events.push("asked");
      const result = await reading;
      results.push(`${result?.done} ${JSON.stringify(result?.value)}`);
    } catch (error) {
      results.push(String(error));
    }
  }
  return { results, events };
}

test("a handler's messages come, end and are left as from a generator that loops over them", async () => {
  await fc.assert(
    fc.asyncProperty(scripts, steps, async (script, reading) => {
      const responses = await outcome((ready) => new Responses(method, ready), script, reading);
      expect(responses).toEqual(await outcome(asGenerator, script, reading));
    }),
    { numRuns: 500 },
  );
});

test("a handler that is left while it begins ends with its first message", async () => {
  const events: string[] = [];
  const script: Script = {
    gives: ["a message"],
    end: "well",
    leaving: "well",
    form: "generator",
    begins: true,
    ready: false,
  };
  const begun = Promise.withResolvers<void>();
  const responses = new Responses(method, async () => {
    await begun.promise;
    return () => handler(script, events);
  });
  const first = responses.next();
  const left = responses.return();
  begun.resolve();
  expect(await first).toMatchObject({ done: false, value: { index: 0 } });
  expect(await left).toEqual({ done: true, value: undefined });
  expect(await responses.next()).toEqual({ done: true, value: undefined });
  expect(events).toEqual(["entered", "left"]);
});
