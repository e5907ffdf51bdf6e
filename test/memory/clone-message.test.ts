import type { MessageInitShape } from "@bufbuild/protobuf";
import { clone, create, equals, fromBinary, isMessage, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cloneMessage } from "../../src/memory/clone-message.ts";
import { EveryKindSchema, OddKindsSchema } from "../gen/plugboard/test/v1/every_kind_pb.ts";

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const bytes = fc.uint8Array({ maxLength: 8 });

// A record whose keys can be missing, which TypeScript takes for one whose values can be undefined.
type Init = MessageInitShape<typeof EveryKindSchema>;

const flat = {
  text: fc.string(),
  data: bytes,
  flag: fc.boolean(),
  int32Value: int32,
  sint32Value: int32,
  uint32Value: uint32,
  fixed32Value: uint32,
  doubleValue: fc.double({ noNaN: true }),
  choice: fc.constantFrom(0, 1, 77),
  optionalText: fc.string(),
  dataList: fc.array(bytes, { maxLength: 3 }),
  numbers: fc.dictionary(fc.string(), int32, { maxKeys: 3 }),
};
const leaf = fc.record(flat, { requiredKeys: [] }).map((init) => create(EveryKindSchema, init as Init));
const everyKind = fc
  .record(
    {
      ...flat,
      child: leaf,
      children: fc.array(leaf, { maxLength: 2 }),
      byNumber: fc.dictionary(uint32.map(String), leaf, { maxKeys: 2 }),
      either: fc.oneof(
        fc.record({ case: fc.constant("eitherText" as const), value: fc.string() }),
        fc.record({ case: fc.constant("eitherChild" as const), value: leaf }),
      ),
    },
    { requiredKeys: [] },
  )
  .map((init) => create(EveryKindSchema, init as Init));

/** Every object in a value that someone could change. */
function partsOf(value: unknown, found = new Set<object>()): Set<object> {
  const empty = value instanceof Uint8Array && value.byteLength === 0;
  if (typeof value === "object" && value !== null && !empty && !found.has(value)) {
    found.add(value);
    if (!(value instanceof Uint8Array)) {
      for (const member of Object.values(value)) {
        partsOf(member, found);
      }
    }
  }
  return found;
}

function shared(one: unknown, other: unknown): readonly object[] {
  const parts = partsOf(other);
  return [...partsOf(one)].filter((part) => parts.has(part));
}

describe("a cloned message", () => {
  test("equals the original, whatever is in it, and shares nothing with it", async () => {
    await fc.assert(
      fc.asyncProperty(everyKind, async (message) => {
        const copy = cloneMessage(EveryKindSchema, message);
        expect(isMessage(copy, EveryKindSchema)).toBe(true);
        expect(equals(EveryKindSchema, copy, message)).toBe(true);
        expect(toBinary(EveryKindSchema, copy)).toEqual(toBinary(EveryKindSchema, clone(EveryKindSchema, message)));
        expect(shared(copy, message)).toEqual([]);
      }),
    );
  });

  test("has a map's entry whatever its key", () => {
    const message = create(EveryKindSchema, { numbers: Object.fromEntries([["__proto__", 3]]) });
    expect(toBinary(EveryKindSchema, cloneMessage(EveryKindSchema, message))).toEqual(
      toBinary(EveryKindSchema, message),
    );
  });

  test("keeps fields that the contract does not know", () => {
    const message = fromBinary(EveryKindSchema, Uint8Array.of(0xfa, 0x3e, 2, 1, 2));
    expect(message.$unknown).toHaveLength(1);
    const outer = create(EveryKindSchema, { children: [message] });
    expect(cloneMessage(EveryKindSchema, message)).toEqual(message);
    expect(cloneMessage(EveryKindSchema, outer)).toEqual(outer);
  });

  test("has what is not copied field by field, too", () => {
    const message = create(OddKindsSchema, {
      int64Value: -(2n ** 63n),
      uint64Text: "18446744073709551615",
      floatValue: 0.5,
      wrapped: 7,
      object: { list: [1, "two", null] },
      any: create(AnySchema, { typeUrl: "x", value: Uint8Array.of(1) }),
      plain: { text: "plain" },
    });
    const copy = cloneMessage(OddKindsSchema, message);
    expect(equals(OddKindsSchema, copy, message)).toBe(true);
    expect(copy).toEqual(message);
    expect(shared(copy, message)).toEqual([]);
  });
});

test.each<[string, object]>([
  ["a string", { text: 1 }],
  ["bytes", { data: "text" }],
  ["a boolean", { flag: 1 }],
  ["an int32", { int32Value: 2 ** 31 }],
  ["a uint32", { uint32Value: -1 }],
  ["a double", { doubleValue: "1" }],
  ["an enumeration", { choice: 0.5 }],
  ["a list", { dataList: Uint8Array.of(1) }],
  ["an item of a list", { dataList: ["text"] }],
  ["a value of a map", { numbers: { one: "1" } }],
  ["a message", { child: { text: "not made by create" } }],
])("%s of another type is refused", (_, wrong) => {
  const message = Object.assign(create(EveryKindSchema), wrong);
  expect(() => cloneMessage(EveryKindSchema, message)).toThrow();
});
