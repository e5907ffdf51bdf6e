import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { definePlugin } from "plugboard";
import { connect } from "plugboard/node";
import { expect } from "vitest";
import { clientError } from "../../../src/client/errors.ts";
import { BehaviourService, EchoRequestSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { listenLocally } from "../../support/local-listener.ts";
import { discardLog, fuzz } from "./fuzz.ts";
import { anyText, junk } from "./generators.ts";

/** What the handlers throw next. */
let thrown: () => unknown = () => new Error("nothing to throw");

const plugin = definePlugin({
  name: "throws",
  version: "1.0.0",
  routes(router) {
    router.service(BehaviourService, {
      echo: ({ text }) => ({ text }),
      fail() {
        throw thrown();
      },
      async *produce() {
        yield { index: 1 };
        throw thrown();
      },
      async collect() {
        throw thrown();
      },
      // biome-ignore lint/correctness/useYield: it fails before it has anything to say.
      async *converse() {
        throw thrown();
      },
    });
  },
});

/** An object of which some keys throw, or give what no one expects, when they are read. */
function trapped(base: () => object): fc.Arbitrary<() => unknown> {
  const keys = fc.constantFrom(
    ...["name", "message", "stack", "cause", "code", "rawMessage", "details", "metadata", "errorCode", "hint"],
    ...["toString", "toJSON", "then", "isWireError", "constructor", "findDetails", "errors"],
    ...[Symbol.toPrimitive, Symbol.toStringTag, Symbol.hasInstance, Symbol.iterator],
    Symbol.for("nodejs.util.inspect.custom"),
  );
  const traps = fc.array(fc.tuple(keys, fc.constantFrom("value", "get", "throw"), values), { maxLength: 4 });
  return traps.map((all) => () => {
    const object = base();
    for (const [key, how, value] of all) {
      const get = () => {
        if (how === "throw") {
          throw value();
        }
        return value();
      };
      const described = how === "value" ? { value: value() } : { get };
      try {
        Object.defineProperty(object, key, { ...described, configurable: true });
      } catch {
        // It stays as it is.
      }
    }
    return object;
  });
}

/** A proxy all of whose traps throw. */
function untouchable(target: object): object {
  const handler = new Proxy(
    {},
    {
      get: (_, trap) => () => {
        throw new Error(`no one may ${String(trap)}`);
      },
    },
  );
  return new Proxy(target, handler);
}

function cyclic(): unknown {
  const error: Error & { self?: unknown } = new Error("cyclic");
  error.cause = error;
  error.self = error;
  return error;
}

/** Made late, as fast-check looks at what it generates, and not everything may be looked at. */
const values: fc.Arbitrary<() => unknown> = fc.oneof(
  fc
    .anything({ withBigInt: true, withNullPrototype: true, withDate: true, withTypedArray: true, maxDepth: 2 })
    .map((value) => () => value),
  anyText.map((text) => () => text),
  fc.constantFrom<() => unknown>(
    () => Symbol("thrown"),
    () => () => 1,
    () => untouchable({}),
    ...[-1, 0, 1.5, Number.NaN, 17, Code.NotFound].map((number) => () => number),
  ),
);
const headers = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom("x-own", "x-bin", "content-type", "grpc-status"), anyText), anyText))
  .map((pairs) => {
    const metadata = new Headers();
    for (const [name, value] of pairs) {
      try {
        metadata.append(name, value);
      } catch {
        // Headers takes no such thing.
      }
    }
    return metadata;
  });
const details = fc.array(
  fc.oneof(
    anyText.map((text) => () => ({ desc: EchoRequestSchema, value: { text } })),
    values.map((text) => () => ({ desc: EchoRequestSchema, value: { text: text() } })),
    fc.tuple(anyText, junk).map(([type, value]) => () => ({ type, value })),
    values,
  ),
  { maxLength: 3 },
);
const connectErrors = fc
  .tuple(anyText, fc.integer({ min: 1, max: 16 }), headers, details)
  .map(([message, code, metadata, all]) => () => {
    const error = new ConnectError(message, code, metadata);
    error.details = all.map((detail) => detail()) as ConnectError["details"];
    return error;
  });
const errors = fc.oneof(
  values,
  connectErrors,
  trapped(() => new ConnectError("trapped", Code.NotFound)),
  trapped(() => new Error("trapped")),
  trapped(() => Object.create(null)),
  trapped(() => clientError("PB-DIAL-FAILED", "trapped")),
  trapped(() => Object.create(ConnectError.prototype)),
  trapped(() => new AggregateError([new Error("one")], "many")),
  fc.constantFrom<() => unknown>(
    cyclic,
    () => untouchable({}),
    () => untouchable(new Error("proxied")),
    () => untouchable(new ConnectError("proxied", Code.Aborted)),
    () => new Proxy(new ConnectError("proxied", Code.Aborted), {}),
    () => new ConnectError("m".repeat(200_000), Code.Aborted),
    () => new Error("m".repeat(200_000)),
    () => Promise.reject(new Error("rejected")).catch((error: unknown) => error),
    () => Object.freeze(new ConnectError("frozen", Code.Aborted)),
  ),
);

// What handlers throw is logged, which is not what is looked at here.
discardLog();

/** What a call fails with has a code, and is what every other route would say. */
async function failsWith(call: Promise<unknown>): Promise<Code> {
  const error = await call.then(
    () => new Error("it did not fail"),
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(ConnectError);
  return (error as ConnectError).code;
}

async function* requests() {
  yield {};
}

fuzz("whatever handlers throw, each call ends with the same code over every route", async () => {
  const listener = await listenLocally(plugin, "unix");
  const connections = await Promise.all([
    connect(plugin),
    ...(["ttrpc", "grpc", "connect"] as const).map((protocol) =>
      connect(listener.address, { require: { protocols: [protocol] } }),
    ),
    connect(listener.address, { require: { protocols: ["connect"], httpVersion: "1.1" } }),
  ]);
  const clients = connections.map((connection) => connection.client(BehaviourService));
  return {
    input: errors,
    share: 1,
    async attempt(error) {
      thrown = error;
      const codes = await Promise.all(
        clients.flatMap((client, index) => [
          failsWith(client.fail({})),
          failsWith(Array.fromAsync(client.produce({}))),
          failsWith(client.collect(requests())),
          // HTTP/1.1 has no calls in both directions at once.
          ...(index < 4 ? [failsWith(Array.fromAsync(client.converse(requests())))] : []),
        ]),
      );
      expect(new Set(codes).size).toBe(1);
    },
    async probe() {
      for (const client of clients) {
        expect((await client.echo({ text: "alive" })).text).toBe("alive");
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((connection) => connection.close()));
      await listener[Symbol.asyncDispose]();
    },
  };
});
