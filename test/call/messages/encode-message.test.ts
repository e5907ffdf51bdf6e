import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { checkMessage } from "../../../src/call/messages/check-message.ts";
import { encodeMessage } from "../../../src/call/messages/encode-message.ts";
import { ManifestSchema } from "../../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { cloneMessage } from "../../../src/memory/clone-message.ts";
import { EchoRequestSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { CommonKindsSchema, EveryKindSchema, OddKindsSchema } from "../../gen/plugboard/test/v1/every_kind_pb.ts";

// A record whose keys can be missing, which TypeScript takes for one whose values can be undefined.
type Init = MessageInitShape<typeof CommonKindsSchema>;

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const flat = {
  text: fc.string({ unit: "binary" }),
  data: fc.uint8Array({ maxLength: 200 }),
  flag: fc.boolean(),
  int32Value: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  uint32Value: uint32,
  choice: fc.constantFrom(0, 1, 77, -1),
  optionalText: fc.constantFrom("", "text"),
  optionalFlag: fc.boolean(),
  every: fc.constant(create(EveryKindSchema, { numbers: { one: 1 }, dataList: [Uint8Array.of(1)] })),
};
const leaf = fc.record(flat, { requiredKeys: [] }).map((init) => create(CommonKindsSchema, init as Init));
const commonKinds = fc
  .record(
    {
      ...flat,
      child: leaf,
      children: fc.array(leaf, { maxLength: 3 }),
      either: fc.oneof(
        fc.record({ case: fc.constant("eitherNumber" as const), value: fc.oneof(fc.constant(0), uint32) }),
        fc.record({ case: fc.constant("eitherChild" as const), value: leaf }),
      ),
    },
    { requiredKeys: [] },
  )
  .map((init) => create(CommonKindsSchema, init as Init));

test("a message is serialised as the library does it, byte for byte", async () => {
  await fc.assert(
    fc.asyncProperty(commonKinds, async (message) => {
      expect(encodeMessage(CommonKindsSchema, message)).toEqual(toBinary(CommonKindsSchema, message));
    }),
  );
});

test("messages one after the other, large and small, do not get into each other's way", () => {
  const sizes = [0, 10, 3 * 1024 * 1024, 1, 70_000, 0, 5];
  const messages = sizes.map((size) => create(EchoRequestSchema, { text: "a", data: new Uint8Array(size).fill(size) }));
  const encoded = messages.map((message) => encodeMessage(EchoRequestSchema, message));
  for (const [index, message] of messages.entries()) {
    expect(Buffer.compare(encoded[index] ?? new Uint8Array(), toBinary(EchoRequestSchema, message))).toBe(0);
  }
});

test("fields that the contract does not know are kept, in a message and in one inside it", () => {
  const unknown = fromBinary(CommonKindsSchema, Uint8Array.of(0xfa, 0x3e, 2, 1, 2));
  const outer = create(CommonKindsSchema, { text: "outer", child: unknown, children: [unknown] });
  expect(encodeMessage(CommonKindsSchema, unknown)).toEqual(toBinary(CommonKindsSchema, unknown));
  expect(encodeMessage(CommonKindsSchema, outer)).toEqual(toBinary(CommonKindsSchema, outer));
});

test("messages with other kinds of fields are serialised, too", () => {
  const odd = create(OddKindsSchema, { int64Value: -1n, wrapped: 7, object: { a: [1] }, floatValue: 0.5 });
  expect(encodeMessage(OddKindsSchema, odd)).toEqual(toBinary(OddKindsSchema, odd));
  const manifest = create(ManifestSchema, { name: "a", protocolVersions: [1, 2], limits: { maxMessageBytes: 1n } });
  expect(encodeMessage(ManifestSchema, manifest)).toEqual(toBinary(ManifestSchema, manifest));
});

test("a value of another type is refused as the library does it, and the next message is whole", () => {
  const wrong = Object.assign(create(CommonKindsSchema, { text: "before" }), { int32Value: 0.5 });
  const inside = create(CommonKindsSchema, { children: [{}, { text: "here" }] });
  Object.assign(inside.children[1] ?? {}, { uint32Value: -1 });
  for (const message of [wrong, inside]) {
    expect(() => encodeMessage(CommonKindsSchema, message)).toThrow(/int32/);
    const good = create(CommonKindsSchema, { text: "good" });
    expect(encodeMessage(CommonKindsSchema, good)).toEqual(toBinary(CommonKindsSchema, good));
  }
});

/** What a program without types may put into any field, of the right type or not. */
const anything = fc.constantFrom<unknown>(
  ...[undefined, null, 0, -0, 1, -1, 0.5, Number.NaN, 2 ** 31, 2 ** 32, 1n, "", "text", false, true, Symbol("symbol")],
  ...[new Uint8Array(0), Uint8Array.of(1), Buffer.of(1), Uint16Array.of(258), Uint8Array.of(1).buffer],
  ...[{}, [], [undefined], [null], new Array(1), ["text"], [1], [Uint8Array.of(1)], { one: 1 }, { one: "1" }],
  ...[new Set([create(CommonKindsSchema)]), new Map([["one", 1]]), { text: "no message" }, [{}]],
  ...[create(CommonKindsSchema, { text: "a" }), create(EveryKindSchema), [create(CommonKindsSchema)]],
  ...[{ case: undefined }, { case: "eitherNumber" }, { case: "eitherNumber", value: "1" }, { case: "other", value: 1 }],
  ...[
    { case: "eitherText", value: 1 },
    { case: "eitherText", value: "" },
    { case: "eitherChild", value: null },
  ],
);
const membersOf = (schema: typeof CommonKindsSchema | typeof EveryKindSchema) =>
  fc.record(Object.fromEntries(schema.members.map(({ localName }) => [localName, anything])), {
    requiredKeys: [],
    noNullPrototype: true,
  });
const few = <T extends object>(members: fc.Arbitrary<T>) =>
  fc
    .tuple(members, fc.integer({ min: 0, max: 2 }))
    .map(([all, count]) => Object.fromEntries(Object.entries(all).slice(-count)));
const common = few(membersOf(CommonKindsSchema)).map((wrong) => Object.assign(create(CommonKindsSchema), wrong));
const every = few(membersOf(EveryKindSchema)).map((wrong) => Object.assign(create(EveryKindSchema), wrong));
const untyped = fc.oneof(
  common,
  common.map((child) => create(CommonKindsSchema, { child })),
  common.map((child) => create(CommonKindsSchema, { children: [{}, child] })),
  common.map((value) => create(CommonKindsSchema, { either: { case: "eitherChild", value } })),
  every.map((inside) => create(CommonKindsSchema, { every: inside })),
);

function outcomeOf<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    return String(error);
  }
}

test("whatever is in a message, every way to serialise or copy it takes the same, and refuses the same by the field's name", async () => {
  await fc.assert(
    fc.asyncProperty(untyped, async (message) => {
      const checked = outcomeOf(() => {
        checkMessage(CommonKindsSchema, message);
        return toBinary(CommonKindsSchema, message);
      });
      expect(outcomeOf(() => encodeMessage(CommonKindsSchema, message))).toEqual(checked);
      const copied = outcomeOf(() => toBinary(CommonKindsSchema, cloneMessage(CommonKindsSchema, message)));
      expect(copied).toEqual(checked);
      if (typeof checked === "string") {
        expect(checked).toMatch(/^TypeError: plugboard\.test\.v1\.\w+/);
      }
    }),
    { numRuns: 2000 },
  );
});
