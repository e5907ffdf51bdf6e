import { create } from "@bufbuild/protobuf";
import type { Client, Transport } from "@connectrpc/connect";
import { Code, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { maxDataBytes } from "../../../src/ttrpc/limits.ts";
import { BehaviourService, EchoRequestSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../../support/rejection.ts";

const { echo } = BehaviourService.method;

/** A client of one implementation, connected to a server of the other. */
export interface OpenDirection extends AsyncDisposable {
  readonly transport: Transport;
}

/** Declares the tests that hold in both directions. */
export function describeCalls(name: string, open: () => Promise<OpenDirection>): void {
  describe(name, () => {
    let opened: OpenDirection;
    let client: Client<typeof BehaviourService>;
    beforeAll(async () => {
      opened = await open();
      client = createClient(BehaviourService, opened.transport);
    });
    // Everything goes over one connection, which no call may break.
    afterAll(() => opened[Symbol.asyncDispose]());

    test("a unary call carries its messages", async () => {
      const data = pattern(1000);
      expect(await client.echo({ text: "grüße 🚀", data })).toMatchObject({ text: "grüße 🚀", data });
    });

    test("a unary call carries empty messages", async () => {
      expect(await client.echo({})).toMatchObject({ text: "", data: new Uint8Array(0) });
    });

    test("a unary call carries 3 MiB", async () => {
      const data = pattern(3 * 1024 * 1024 - 16);
      expect(Buffer.compare((await client.echo({ data })).data, data)).toBe(0);
    });

    test("a message over 4 MiB fails its own call only", async () => {
      const inFlight = Array.fromAsync(client.produce({ count: 100, size: 1000 }));
      const error = await rejection(client.echo({ data: new Uint8Array(maxDataBytes) }));
      expect(error.code).toBe(Code.ResourceExhausted);
      expect((await inFlight).length).toBe(100);
      expect((await client.echo({ text: "still here" })).text).toBe("still here");
    });

    test("what is not there is unimplemented", async () => {
      const unknown = [
        { ...echo, name: "Nothing" },
        { ...echo, parent: { ...echo.parent, typeName: "plugboard.test.v1.NothingService" } },
      ];
      for (const method of unknown) {
        const call = opened.transport.unary(method, undefined, undefined, undefined, {});
        expect((await rejection(call)).code).toBe(Code.Unimplemented);
      }
    });

    test.each(Array.from({ length: 16 }, (_, index) => index + 1))(
      "error code %i arrives with details",
      async (code) => {
        const error = await rejection(client.fail({ code, message: `grüße ${code}` }));
        expect(error.code).toBe(code);
        expect(error.rawMessage).toBe(`grüße ${code}`);
        expect(error.findDetails(EchoRequestSchema)).toEqual([create(EchoRequestSchema, { text: "a detail" })]);
      },
    );

    test("metadata arrives, with all values of a key", async () => {
      const headers = new Headers({ "x-behaviour-bin": Buffer.from([0, 1, 255]).toString("base64") });
      headers.append("x-behaviour", "one");
      headers.append("x-behaviour", "two");
      expect(await client.inspect({}, { headers })).toMatchObject({
        header: "one, two",
        binaryHeader: Uint8Array.of(0, 1, 255),
        protocol: "ttrpc",
      });
    });

    test("the handler sees the deadline, and that there is none", async () => {
      const { timeoutMs } = await client.inspect({}, { timeoutMs: 60_000 });
      expect(timeoutMs).toBeGreaterThan(0);
      expect(timeoutMs).toBeLessThanOrEqual(60_000);
      expect((await client.inspect({})).timeoutMs).toBe(-1);
    });

    test("both sides end a call at its deadline", async () => {
      const id = crypto.randomUUID();
      expect((await rejection(client.hang({ id }, { timeoutMs: 200 }))).code).toBe(Code.DeadlineExceeded);
      // Plain ttrpc has no cancellation, so the server has ended it by its own clock.
      await vi.waitFor(
        async () => expect(await client.watch({ id })).toMatchObject({ started: true, aborted: true, finished: true }),
        10_000,
      );
    });

    test("a server-streaming call carries all messages", async () => {
      const responses = await Array.fromAsync(client.produce({ count: 50, size: 64 * 1024 }));
      expect(responses.map(({ index, data }) => [index, data.byteLength])).toEqual(
        Array.from({ length: 50 }, (_, index) => [index, 64 * 1024]),
      );
    });

    test("a server-streaming call carries an error after its messages", async () => {
      const seen: number[] = [];
      const read = async () => {
        for await (const { index } of client.produce({ count: 3, failCode: Code.DataLoss })) {
          seen.push(index);
        }
      };
      const error = await rejection(read());
      expect(error.code).toBe(Code.DataLoss);
      expect(error.rawMessage).toBe("as asked");
      expect(seen).toEqual([0, 1, 2]);
    });

    test("a client-streaming call carries all messages, empty ones, too", async () => {
      async function* requests() {
        for (let index = 0; index < 50; index++) {
          yield index % 2 === 0 ? {} : { data: pattern(64 * 1024) };
        }
      }
      expect(await client.collect(requests())).toMatchObject({ messages: 50, bytes: BigInt(25 * 64 * 1024) });
    });

    test("a client-streaming call carries no message at all", async () => {
      expect(await client.collect(nothing())).toMatchObject({ messages: 0, bytes: 0n });
    });

    test("a client-streaming call carries an error before its end", async () => {
      const over = Promise.withResolvers<void>();
      async function* requests() {
        yield { data: pattern(10) };
        yield { failCode: Code.Aborted };
        // A Go server (1.2.7) panics at messages that come after it has responded.
        await over.promise;
      }
      expect((await rejection(client.collect(requests()))).code).toBe(Code.Aborted);
      over.resolve();
    });

    test("a bidi-streaming call responds to each message before the next", async () => {
      const replies: string[] = [];
      let replied = Promise.withResolvers<void>();
      async function* requests() {
        for (const text of ["one", "", "three"]) {
          yield { text };
          await replied.promise;
          replied = Promise.withResolvers<void>();
        }
      }
      for await (const { text } of client.converse(requests())) {
        replies.push(text);
        replied.resolve();
      }
      expect(replies).toEqual(["one", "", "three"]);
    });

    test("a bidi-streaming call carries many messages both ways", async () => {
      const texts = Array.from({ length: 500 }, (_, index) => `message ${index}`);
      async function* requests() {
        for (const text of texts) {
          yield { text };
        }
      }
      const responses = await Array.fromAsync(client.converse(requests()));
      expect(responses.map(({ text }) => text)).toEqual(texts);
    });

    test("a bidi-streaming call carries an error in the middle", async () => {
      const over = Promise.withResolvers<void>();
      async function* requests() {
        yield { text: "one" };
        yield { failCode: Code.OutOfRange };
        await over.promise;
      }
      const replies: string[] = [];
      const read = async () => {
        for await (const { text } of client.converse(requests())) {
          replies.push(text);
        }
      };
      expect((await rejection(read())).code).toBe(Code.OutOfRange);
      over.resolve();
      expect(replies).toEqual(["one"]);
    });

    test("100 calls at once on one connection do not get mixed up", async () => {
      await Promise.all(
        Array.from({ length: 100 }, async (_, index) => {
          if (index % 4 === 0) {
            const responses = await Array.fromAsync(client.produce({ count: index + 1, size: index }));
            expect(responses.map(({ data }) => data.byteLength)).toEqual(Array(index + 1).fill(index));
          } else if (index % 4 === 1) {
            expect((await rejection(client.fail({ code: (index % 16) + 1 }))).code).toBe((index % 16) + 1);
          } else {
            expect((await client.echo({ text: `call ${index}` })).text).toBe(`call ${index}`);
          }
        }),
      );
    });
  });
}

async function* nothing() {}

/** Bytes of which no two parts are alike. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
}
