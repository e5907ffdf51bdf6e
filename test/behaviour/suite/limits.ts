import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import {
  CollectRequestSchema,
  ConverseRequestSchema,
  EchoRequestSchema,
  ProduceResponseSchema,
} from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../../support/rejection.ts";
import { errorSizes, longName } from "../misbehaviour.ts";
import type { OpenRoute } from "./route.ts";

/** The limit of both sides by default, in bytes. */
const maxMessageBytes = 4 * 1024 * 1024;

/** How long the only field of a message has to be for the message to have so many bytes. */
function fieldFor<M extends DescMessage>(
  schema: M,
  make: (length: number) => MessageInitShape<M>,
  bytes: number,
): number {
  const encoded = (length: number) => toBinary(schema, create(schema, make(length))).byteLength;
  const length = 2 * bytes - encoded(bytes);
  expect(encoded(length)).toBe(bytes);
  return length;
}

const data = (length: number) => ({ data: new Uint8Array(length) });
const text = (length: number) => ({ text: "x".repeat(length) });

/** Messages at the limit and one byte over it, both ways. In process there is none. */
export function describeLimits({ carries, client }: OpenRoute, unlimited: boolean) {
  describe("a message's limit", () => {
    /** Sees that something works at the limit and fails beyond it, and that the next call works in any case. */
    async function expectLimit(call: (bytes: number) => Promise<unknown>) {
      expect(await call(maxMessageBytes)).toBe(true);
      if (unlimited) {
        expect(await call(maxMessageBytes + 1)).toBe(true);
      } else {
        expect((await rejection(call(maxMessageBytes + 1))).code).toBe(Code.ResourceExhausted);
      }
      expect((await client().echo({ text: "next" })).text).toBe("next");
    }

    test("holds for the request of a unary call; a response of that length is carried", () =>
      expectLimit(async (bytes) => {
        const length = fieldFor(EchoRequestSchema, data, bytes);
        return (await client().echo(data(length))).data.byteLength === length;
      }));

    test("holds for the responses of a stream", () =>
      expectLimit(async (bytes) => {
        const size = fieldFor(ProduceResponseSchema, data, bytes);
        const [only] = await Array.fromAsync(client().produce({ count: 1, size }));
        return only?.data.byteLength === size;
      }));

    if (carries("client_streaming")) {
      test("holds for the requests of a stream", () =>
        expectLimit(async (bytes) => {
          const length = fieldFor(CollectRequestSchema, data, bytes);
          async function* requests() {
            yield data(length);
          }
          return Number((await client().collect(requests())).bytes) === length;
        }));
    }

    if (carries("bidi_streaming")) {
      test("holds for what goes both ways at once", () =>
        expectLimit(async (bytes) => {
          const length = fieldFor(ConverseRequestSchema, text, bytes);
          async function* requests() {
            yield text(length);
          }
          const [only] = await Array.fromAsync(client().converse(requests()));
          return only?.text.length === length;
        }));
    }
  });
}

/** Errors whose parts are at their limits and over them. Nothing of that costs a connection, or makes it another error. */
export function describeLongErrors({ client }: OpenRoute) {
  describe("an error that is long", () => {
    const kinds = [
      (how: string) => client().misbehave({ how }),
      (how: string) => Array.fromAsync(client().misbehaveStreaming({ how })),
    ];
    /** The codes of calls of both kinds, while another is in flight, and the next one works. */
    async function told(how: string) {
      const seen: unknown[] = [];
      for (const kind of kinds) {
        const [error, beside] = await Promise.all([rejection(kind(how)), client().echo({ text: "beside" })]);
        expect(beside.text).toBe("beside");
        expect(error.code).toBe(Code.NotFound);
        seen.push({
          message: error.rawMessage,
          details: error.details.map((detail) => ("value" in detail ? (detail.value as Uint8Array).byteLength : -1)),
          metadata: error.metadata.get(longName)?.length,
        });
      }
      expect((await client().echo({ text: "next" })).text).toBe("next");
      expect(seen[1]).toEqual(seen[0]);
      return seen[0];
    }

    test.each(Object.entries(errorSizes))(
      "tells of a message, a detail or metadata of %s what fits",
      async (size, bytes) => {
        const fits = bytes <= 8192;
        expect(await told(`throws an error whose message has ${size}`)).toEqual({
          message: "x".repeat(Math.min(bytes, 8192)),
          details: [],
          metadata: undefined,
        });
        expect(await told(`throws an error whose detail has ${size}`)).toEqual({
          message: "detailed",
          details: fits ? [bytes] : [],
          metadata: undefined,
        });
        expect(await told(`throws an error whose metadata has ${size}`)).toEqual({
          message: "with metadata",
          details: [],
          metadata: fits ? bytes - longName.length : undefined,
        });
      },
    );

    test("tells all of it where each part is as long as may be, and cuts no character in two", async () => {
      expect(await told("throws an error of which everything is as long as may be")).toEqual({
        message: "\u4e16".repeat(2730),
        details: [4096, 4096],
        metadata: 8192 - longName.length,
      });
    });
  });
}
