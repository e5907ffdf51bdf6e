import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { KeyValue, Request } from "../../../src/gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import {
  KeyValueSchema,
  MetadataSchema,
  RequestSchema,
  ResponseSchema,
  StatusSchema,
} from "../../../src/gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { maxDataBytes } from "../../../src/ttrpc/limits.ts";
import {
  encodeHeader,
  encodeMetadata,
  encodeMethod,
  encodeResponse,
  fitsResponse,
  readHeader,
  readRequest,
  readResponse,
  requestLength,
  writePayloadResponse,
  writeRequest,
} from "../../../src/ttrpc/wire/envelope.ts";
import { headerBytes } from "../../../src/ttrpc/wire/frame.ts";
import { createFrameWriter } from "../../../src/ttrpc/wire/frame-writer.ts";
import { appendHeaders, toHeaders, toKeyValues } from "../../../src/ttrpc/wire/metadata.ts";

// What is read and written by hand is held against the generated messages.

const text = fc.string({ unit: "grapheme", maxLength: 20 });
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom(0, 1, 127, 128, 16_383, 16_384).map((length) => new Uint8Array(length).fill(7)),
);

/** Headers that HTTP allows, each name at most once a time. */
const headerNames = fc.stringMatching(/^x-[a-z0-9-]{1,10}$/);
const headerValues = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
const headerEntries = fc.array(fc.tuple(headerNames, headerValues), { maxLength: 4 });
const keyValues = fc
  .array(fc.record({ key: text, value: text }), { maxLength: 4 })
  .map((entries) => entries.map((entry) => create(KeyValueSchema, entry)));

/** A field that no version of the messages has yet, of each wire type. */
const unknownFields = fc
  .array(
    fc.record({
      no: fc.integer({ min: 16, max: 1000 }),
      kind: fc.constantFrom("varint", "64 bits", "bytes", "group", "32 bits"),
      data: fc.uint8Array({ maxLength: 20 }),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((fields) => Buffer.concat(fields.map(({ no, kind, data }) => unknownField(no, kind, data))));

function unknownField(no: number, kind: string, data: Uint8Array): Uint8Array {
  const tagOf = (wireType: number) => varint(no * 8 + wireType);
  switch (kind) {
    case "varint":
      return Uint8Array.of(...tagOf(0), ...varint(data.byteLength * 1000));
    case "64 bits":
      return Uint8Array.of(...tagOf(1), 1, 2, 3, 4, 5, 6, 7, 8);
    case "bytes":
      return Uint8Array.of(...tagOf(2), data.byteLength, ...data);
    case "group":
      return Uint8Array.of(...tagOf(3), ...varint(8), 1, ...tagOf(4));
    default:
      return Uint8Array.of(...tagOf(5), 1, 2, 3, 4);
  }
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];
}

function entriesOf(entries: readonly KeyValue[]): [string, string][] {
  return entries.map(({ key, value }) => [key, value]);
}

describe("a request", () => {
  const timeouts = fc.option(
    fc.oneof(fc.constantFrom(0, 0.000_000_1, 1, 0.5, 9e9, 1e15), fc.double({ min: 0, max: 1e10, noNaN: true })),
    { nil: undefined },
  );

  test("a request that is written by hand is read as the generated message", () => {
    fc.assert(
      fc.property(
        fc.record({ service: text, method: text, payload: payloads, timeoutMs: timeouts, extended: fc.boolean() }),
        headerEntries,
        ({ service, method, payload, timeoutMs, extended }, entries) => {
          const headers = new Headers(entries);
          const parts = {
            method: encodeMethod(service, method),
            payload,
            timeoutMs,
            metadata: encodeMetadata(headers, { extended, chunked: false }),
          };
          const around = 3;
          const bytes = new Uint8Array(requestLength(parts) + 2 * around).fill(0xee);
          writeRequest(bytes, around, parts);
          expect([...bytes.subarray(0, around), ...bytes.subarray(-around)]).toEqual(Array(2 * around).fill(0xee));
          const read = fromBinary(RequestSchema, bytes.subarray(around, -around));
          expect([read.service, read.method]).toEqual([service, method]);
          expect(Buffer.compare(read.payload, payload)).toBe(0);
          if (timeoutMs === undefined) {
            expect(read.timeoutNano).toBe(0n);
          } else {
            expect(read.timeoutNano).toBeGreaterThan(0n);
            const exact = Math.min(Math.max(timeoutMs * 1e6, 1), Number.MAX_SAFE_INTEGER);
            expect(Math.abs(Number(read.timeoutNano) - exact)).toBeLessThanOrEqual(1);
          }
          const expected = [...headers, ...(extended ? [["plugboard-stream", "1"]] : [])];
          expect(entriesOf(read.metadata)).toEqual(expected);
        },
      ),
    );
  });

  const messages = fc
    .record({
      service: text,
      method: text,
      payload: payloads,
      timeoutNano: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      metadata: keyValues,
    })
    .map((init): Request => create(RequestSchema, init));

  test("a request that others write is read by hand, and fields that are not known are skipped", () => {
    fc.assert(
      fc.property(messages, unknownFields, unknownFields, headerEntries, (message, before, after, entries) => {
        message.metadata.push(...entries.map(([key, value]) => create(KeyValueSchema, { key, value })));
        const read = readRequest(Buffer.concat([before, toBinary(RequestSchema, message), after]));
        expect([read.service, read.method]).toEqual([message.service, message.method]);
        expect(Buffer.compare(read.payload, message.payload)).toBe(0);
        const nanos = message.timeoutNano;
        const timeoutMs = nanos === 0n ? undefined : nanos < 0n ? 0 : Number(nanos) / 1e6;
        expect(read.timeoutMs).toBe(timeoutMs);
        const headers = new Headers();
        appendHeaders(headers, message.metadata);
        expect([...toHeaders(read.metadata)]).toEqual([...headers]);
        expect(read.extended).toBe(false);
      }),
    );
  });

  test("in which a field comes twice counts the last one, as protobuf has it", () => {
    fc.assert(
      fc.property(messages, messages, (one, other) => {
        const bytes = Buffer.concat([toBinary(RequestSchema, one), toBinary(RequestSchema, other)]);
        const expected = fromBinary(RequestSchema, bytes);
        const { service, method, payload } = readRequest(bytes);
        expect([service, method]).toEqual([expected.service, expected.method]);
        expect(Buffer.compare(payload, expected.payload)).toBe(0);
      }),
    );
  });

  test.each([
    ["1", true],
    ["2", false],
    ["", false],
  ])("asks for the extension by the value 1 of its key, and %j is %s", (value, extended) => {
    const metadata = [{ key: "plugboard-stream", value }];
    const read = readRequest(toBinary(RequestSchema, create(RequestSchema, { metadata })));
    expect(read.extended).toBe(extended);
    expect([...toHeaders(read.metadata)]).toEqual([]);
  });

  test("keeps the headers that HTTP allows when others beside them are none", () => {
    const metadata = [
      { key: "x-one", value: "1" },
      { key: "no name", value: "2" },
      { key: "x-two", value: "line\nbreak" },
      { key: "", value: "" },
      { key: "X-One", value: "3" },
    ];
    const read = readRequest(toBinary(RequestSchema, create(RequestSchema, { metadata })));
    expect([...toHeaders(read.metadata)]).toEqual([["x-one", "1, 3"]]);
  });

  test("makes no error for each header that is none: a frame of them would block the process for seconds", () => {
    const append = vi.spyOn(Headers.prototype, "append");
    const metadata = ["", "no name", "näme", "x:y"].map((key) => ({ key, value: "1" }));
    metadata.push(...["line\nbreak", "\0", "世界"].map((value) => ({ key: "x", value })));
    const read = readRequest(toBinary(RequestSchema, create(RequestSchema, { metadata })));
    expect([...toHeaders(read.metadata)]).toEqual([]);
    expect(append.mock.results.filter(({ type }) => type === "throw")).toEqual([]);
    append.mockRestore();
  });
});

describe("a response", () => {
  const statuses = fc.record({
    code: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    message: text,
    details: fc.array(fc.record({ typeUrl: text, value: payloads }), { maxLength: 2 }),
  });
  const responses = fc.record({
    status: fc.option(statuses, { nil: undefined }),
    payload: payloads,
    header: keyValues,
    trailer: keyValues,
  });

  test("a response that is written is read as the generated message, and the other way round", () => {
    fc.assert(
      fc.property(responses, unknownFields, ({ status, ...rest }, unknown) => {
        const init = status === undefined ? rest : { ...rest, status: create(StatusSchema, status) };
        const message = create(ResponseSchema, init);
        const bytes = encodeResponse(init);
        expect(Buffer.compare(bytes, toBinary(ResponseSchema, message))).toBe(0);
        for (const each of [bytes, Buffer.concat([bytes, unknown]), Buffer.concat([unknown, bytes])]) {
          const read = readResponse(each);
          expect(read.status?.code).toBe(status?.code);
          expect(read.status?.message).toBe(status?.message);
          expect(read.status?.details.length).toBe(status?.details.length);
          expect(Buffer.compare(read.payload, rest.payload)).toBe(0);
          expect(entriesOf(read.header)).toEqual(entriesOf(rest.header));
          expect(entriesOf(read.trailer)).toEqual(entriesOf(rest.trailer));
        }
      }),
    );
  });

  test("with nothing but a message is the same, written by hand", () => {
    fc.assert(
      fc.property(payloads, (payload) => {
        const writer = createFrameWriter();
        writePayloadResponse(writer, 1, payload);
        const data = Buffer.concat(writer.take().map(({ bytes }) => bytes)).subarray(headerBytes);
        expect(Buffer.compare(data, toBinary(ResponseSchema, create(ResponseSchema, { payload })))).toBe(0);
        expect(Buffer.compare(readResponse(data).payload, payload)).toBe(0);
      }),
    );
  });

  test("in which a payload comes twice counts the last one", () => {
    const bytes = Buffer.concat([1, 2].map((byte) => encodeResponse({ payload: Uint8Array.of(byte) })));
    expect([...readResponse(bytes).payload]).toEqual([2]);
  });

  test("fits if its frame is not longer than allowed", () => {
    const overhead = 1 + 4;
    for (const [length, fits] of [
      [0, true],
      [maxDataBytes - overhead, true],
      [maxDataBytes - overhead + 1, false],
    ] as const) {
      expect(fitsResponse(new Uint8Array(length))).toBe(fits);
    }
  });
});

test("headers travel as they are, and a key that repeats is one header with all values", () => {
  fc.assert(
    fc.property(headerEntries, (entries) => {
      const headers = new Headers(entries);
      const bytes = encodeHeader(toKeyValues(headers));
      expect(entriesOf(fromBinary(MetadataSchema, bytes).entries)).toEqual([...headers]);
      const read = new Headers();
      appendHeaders(read, readHeader(bytes));
      expect([...read]).toEqual([...headers]);
      const again = new Headers();
      appendHeaders(
        again,
        entries.map(([key, value]) => create(KeyValueSchema, { key, value })),
      );
      expect([...again]).toEqual([...headers]);
    }),
  );
});

describe("bytes that are no envelope", () => {
  const valid = fc
    .record({ service: text, method: text, payload: payloads, timeoutNano: fc.constant(1n), metadata: keyValues })
    .map((init) => toBinary(RequestSchema, create(RequestSchema, init)));

  /** Bytes of which a part is right. */
  const nearly = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .tuple(valid, fc.nat(), fc.nat({ max: 255 }))
      .map(([bytes, at, byte]) => bytes.map((each, place) => (place === at % bytes.byteLength ? byte : each))),
    fc.tuple(valid, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % (bytes.byteLength + 1))),
  );

  test.each([
    ["request", readRequest],
    ["response", readResponse],
    ["header", readHeader],
  ])("are read as a %s or fail with an error, and never hang", (_what, read: (bytes: Uint8Array) => unknown) => {
    fc.assert(
      fc.property(nearly, (bytes) => {
        let failure: unknown;
        try {
          read(bytes);
        } catch (error) {
          failure = error;
        }
        expect(failure === undefined || failure instanceof Error).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("fail if a length in them is a lie", () => {
    for (const bytes of [
      [0x0a, 0x05, 0x61],
      [0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f],
      // Metadata of two bytes with a key of four.
      [0x2a, 0x02, 0x0a, 0x04, 0x61, 0x61, 0x61, 0x61],
      [0x2a, 0x7f],
    ]) {
      expect(() => readRequest(Uint8Array.from(bytes))).toThrow();
    }
  });

  test("fail if a group in a group goes on for as long as a frame can be", () => {
    const groups = new Uint8Array(maxDataBytes).fill(((20 << 3) & 0xff) | 3);
    expect(() => readRequest(groups)).toThrow();
    expect(() => readResponse(groups)).toThrow();
  });
});
