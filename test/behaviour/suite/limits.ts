import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import {
  CollectRequestSchema,
  ConverseRequestSchema,
  EchoRequestSchema,
  ProduceResponseSchema,
} from "../../../src/gen/plugboard/test/v1/behaviour_pb.ts";
import type { OpenRoute } from "./route.ts";
import { rejection } from "./route.ts";

/** What both sides take unless told otherwise, in bytes. */
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
