import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readLate } from "../../../src/client/calls/read-late.ts";
import { createScopedClient } from "../../../src/client/calls/scoped-client.ts";
import {
  BehaviourService,
  ConverseResponseSchema,
  ProduceResponseSchema,
} from "../../gen/plugboard/test/v1/behaviour_pb.ts";

/** A response, and what its callbacks do. */
interface Script {
  readonly opens: "fails" | "at once" | "late";
  readonly messages: number;
  readonly end: "well" | "fails" | "throws at once";
  readonly kind: "produce" | "converse";
  readonly onHeader: "nothing" | "hears" | "throws";
  readonly onTrailer: "nothing" | "hears" | "throws";
}

/** What a reader does: asks for the next message without a wait, on one of two iterators, or waits for all it has asked for. */
type Step = "ask" | "ask on another" | "wait";

const scripts: fc.Arbitrary<Script> = fc.record({
  opens: fc.constantFrom("fails", "at once", "late"),
  messages: fc.nat({ max: 4 }),
  end: fc.constantFrom("well", "fails", "throws at once"),
  kind: fc.constantFrom("produce", "converse"),
  onHeader: fc.constantFrom("nothing", "hears", "throws"),
  onTrailer: fc.constantFrom("nothing", "hears", "throws"),
});
const steps = fc.array(fc.constantFrom<Step>("ask", "ask on another", "wait"), { maxLength: 12 });

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A transport that does what the script says, and writes down what it was asked. */
function scripted({ opens, messages, end }: Script, events: string[]): Transport {
  return readLate({
    unary: () => Promise.reject(new Error("not unary")),
    async stream(method, _signal, timeoutMs, header, input) {
      events.push(`${method.name} within ${timeoutMs}, ${new Headers(header).get("x-test")}`);
      for await (const request of input) {
        events.push(`request ${JSON.stringify(request)}`);
      }
      if (opens === "late") {
        await turn();
      }
      if (opens === "fails") {
        throw new ConnectError("did not open", Code.Unavailable);
      }
      let index = 0;
      const schema = method.name === "Produce" ? ProduceResponseSchema : ConverseResponseSchema;
      const message: AsyncIterableIterator<never> = {
        next() {
          events.push(`next ${index}`);
          index += 1;
          if (index <= messages) {
            return Promise.resolve({ done: false, value: create(schema, { index }) as never });
          }
          if (end === "throws at once") {
            throw new ConnectError("threw", Code.DataLoss);
          }
          return end === "well"
            ? Promise.resolve({ done: true, value: undefined })
            : Promise.reject(new ConnectError("failed", Code.Aborted));
        },
        [Symbol.asyncIterator]: () => message,
      };
      const [responseHeader, trailer] = [new Headers({ x: "header" }), new Headers({ x: "trailer" })];
      return { service: method.parent, method, stream: true, header: responseHeader, trailer, message };
    },
  });
}

/** All that a caller sees. */
async function outcome(makeClient: typeof createClient, script: Script, reading: readonly Step[]) {
  const events: string[] = [];
  const hears = (how: Script["onHeader"]) =>
    how === "nothing"
      ? undefined
      : (headers: Headers) => {
          events.push(`got ${headers.get("x")}`);
          if (how === "throws") {
            throw new Error(`disliked ${headers.get("x")}`);
          }
        };
  const onHeader = hears(script.onHeader);
  const onTrailer = hears(script.onTrailer);
  const client = makeClient(BehaviourService, scripted(script, events));
  const options = {
    timeoutMs: 5_000,
    headers: { "x-test": "sent" },
    ...(onHeader && { onHeader }),
    ...(onTrailer && { onTrailer }),
  };
  async function* requests() {
    yield { text: "one" };
    yield { text: "two" };
  }
  const response =
    script.kind === "produce" ? client.produce({ count: 3 }, options) : client.converse(requests(), options);
  const iterators = [response[Symbol.asyncIterator](), response[Symbol.asyncIterator]()] as const;
  const asked: Promise<string>[] = [];
  for (const step of reading) {
    if (step === "wait") {
      await Promise.all(asked);
      await turn();
    } else {
      asked.push(
        iterators[step === "ask" ? 0 : 1].next().then(
          ({ done, value }) => `${done} ${JSON.stringify(value)}`,
          (error: unknown) => String(error),
        ),
      );
    }
  }
  const results = await Promise.all(asked);
  // Calls begin whether they are read or not.
  await turn();
  await turn();
  return { results, events };
}

test("a stream is read as Connect's own client reads it, whatever becomes of it and of who hears its metadata", async () => {
  await fc.assert(
    fc.asyncProperty(scripts, steps, async (script, reading) => {
      expect(await outcome(createScopedClient, script, reading)).toEqual(await outcome(createClient, script, reading));
    }),
    { numRuns: 300 },
  );
});

test("who leaves a stream before its first message ends the call, and hears nothing of it", async () => {
  const signals: (AbortSignal | undefined)[] = [];
  const transport: Transport = readLate({
    unary: () => Promise.reject(new Error("not unary")),
    stream(_method, signal) {
      signals.push(signal);
      return new Promise((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    },
  });
  const client = createScopedClient(BehaviourService, transport);
  const heard: string[] = [];
  const response = client.produce({}, { onHeader: () => heard.push("header"), onTrailer: () => heard.push("trailer") });
  const iterator = response[Symbol.asyncIterator]();
  expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
  expect(signals.map((signal) => signal?.aborted)).toEqual([true]);
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
  expect(heard).toEqual([]);
});
