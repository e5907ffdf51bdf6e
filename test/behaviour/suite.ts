import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { Connection, MethodKind } from "plugboard";
import { isPlugboardError, PluginService } from "plugboard";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";
import type { WatchResponse } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { BehaviourService, EchoRequestSchema } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../support/rejection.ts";
import { describeDeadlines } from "./suite/deadlines.ts";
import { describeFaults } from "./suite/faults.ts";
import { describeLeftEarly } from "./suite/left-early.ts";
import { describeLimits, describeLongErrors } from "./suite/limits.ts";
import { describeMetadata } from "./suite/metadata.ts";
import { describeIf } from "./suite/route.ts";
import { describeUnreadAndEndless } from "./suite/unread.ts";

/** A way to the behaviour plugin. A new route adds itself to a table of these, and nothing else. */
export interface BehaviourRoute {
  /** The route's name, as negotiation has it. */
  readonly name: string;
  /** Connect's name of the protocol, as the handler sees it. */
  readonly protocol: string;
  /** The kinds of method that it can't carry. All others are asserted to work, these to fail as they should. */
  readonly lacks?: readonly MethodKind[];
  /**
   * The runtime tells a handler that its caller has gone only once the response has begun. Until then a cancelled call
   * ends at its deadline.
   */
  readonly cancelsLate?: boolean;
  open(): Promise<{ readonly connection: Connection; close(): Promise<void> }>;
}

const mebibyte = 1024 * 1024;

/** Asserts that calls behave the same over this route as over every other. */
export function describeBehaviour(route: BehaviourRoute) {
  const carries = (kind: MethodKind) => !(route.lacks ?? []).includes(kind);

  describe(route.name, () => {
    let opened: Awaited<ReturnType<BehaviourRoute["open"]>>;
    beforeAll(async () => {
      opened = await route.open();
    }, 60_000);
    afterAll(() => opened?.close());

    const open = { carries, client: () => client(), connection: () => opened.connection };
    const client = () => opened.connection.client(BehaviourService);
    const watch = (id: string) => client().watch({ id });
    const watchUntil = (id: string, condition: (record: WatchResponse) => boolean) =>
      vi.waitFor(
        async () => {
          const record = await watch(id);
          expect(record).toSatisfy(condition);
          return record;
        },
        { timeout: 10_000 },
      );

    test("takes the route it is meant to take", () => {
      const { routes } = opened.connection;
      for (const kind of ["unary", "server_streaming", "client_streaming", "bidi_streaming"] as const) {
        expect(routes[kind].routes[0]?.name).toBe(carries(kind) ? route.name : undefined);
      }
    });

    test("serves the manifest that the connection has", async () => {
      const { manifest } = await opened.connection.client(PluginService).describe({});
      expect(manifest).toMatchObject({ name: "behaviour", version: "1.2.3-test.1", protocolVersion: 2 });
      expect(manifest?.services).toEqual(opened.connection.manifest?.services);
    });

    describe("unary", () => {
      test("responds with what it was sent", async () => {
        const data = Uint8Array.from({ length: 256 }, (_, index) => index);
        const response = await client().echo({ text: "grüße, 世界 🌍\0\n", data });
        expect(response).toMatchObject({ text: "grüße, 世界 🌍\0\n", data });
      });

      test("carries an empty message", async () => {
        expect(await client().echo({})).toMatchObject({ text: "", data: new Uint8Array() });
      });

      test("carries a large message", async () => {
        const data = pattern(3 * mebibyte);
        const response = await client().echo({ data });
        expect(response.data.byteLength).toBe(data.byteLength);
        expect(sameBytes(response.data, data)).toBe(true);
      });

      test("gives each side objects of its own", async () => {
        const data = Uint8Array.of(1, 2, 3);
        const response = await client().echo({ data });
        response.data[0] = 9;
        expect([...data]).toEqual([1, 2, 3]);
        expect([...(await client().echo({ data })).data]).toEqual([1, 2, 3]);
      });

      test("carries metadata to the handler and back", async () => {
        const seen: { header?: Headers; trailer?: Headers } = {};
        const headers = new Headers({ "x-behaviour-bin": btoa("\0ÿ\u0080") });
        headers.append("x-behaviour", "one");
        headers.append("x-behaviour", "two");
        const response = await client().inspect(
          {},
          {
            headers,
            onHeader: (header) => {
              seen.header = header;
            },
            onTrailer: (trailer) => {
              seen.trailer = trailer;
            },
          },
        );
        expect(response.header).toBe("one, two");
        expect([...response.binaryHeader]).toEqual([0, 255, 128]);
        expect(seen.header?.get("x-response")).toBe("header");
        expect(seen.header?.get("x-response-twice")).toBe("one, two");
        expect(seen.trailer?.get("x-response-trailer")).toBe("trailer");
      });

      test("tells the handler the protocol", async () => {
        expect((await client().inspect({})).protocol).toBe(route.protocol);
      });

      test("shows the handler the deadline", async () => {
        const { timeoutMs } = await client().inspect({}, { timeoutMs: 60_000 });
        expect(timeoutMs).toBeGreaterThan(0);
        expect(timeoutMs).toBeLessThanOrEqual(60_000);
        expect((await client().inspect({})).timeoutMs).toBe(-1);
      });

      test.each(Array.from({ length: 16 }, (_, index) => index + 1))(
        "carries error code %i with message, details and metadata",
        async (code) => {
          const error = await rejection(client().fail({ code, message: "grüße\nworld" }));
          expect(error.code).toBe(code);
          expect(error.rawMessage).toBe("grüße\nworld");
          expect(error.findDetails(EchoRequestSchema)).toMatchObject([{ text: "a detail" }]);
          expect(error.metadata.get("x-error")).toBe("metadata");
        },
      );

      test.each([
        ["an error that is no ConnectError", 0],
        ["an error of Plugboard", 17],
      ])("keeps to itself what a handler did not mean for the caller: %s", async (_, code) => {
        const error = await rejection(client().fail({ code, message: "the password is swordfish" }));
        expectInternal(error);
      });

      test("ends at the deadline, for the caller and for the handler", async () => {
        const id = uniqueId();
        const error = await rejection(client().hang({ id }, { timeoutMs: 500 }));
        expect(error.code).toBe(Code.DeadlineExceeded);
        await watchUntil(id, (record) => record.aborted && record.finished);
      });

      test("is cancelled, for the caller and for the handler", async () => {
        const id = uniqueId();
        const controller = new AbortController();
        const deadline = route.cancelsLate ? { timeoutMs: 2_000 } : {};
        const call = rejection(client().hang({ id }, { signal: controller.signal, ...deadline }));
        await watchUntil(id, (record) => record.started);
        controller.abort();
        expect((await call).code).toBe(Code.Canceled);
        await watchUntil(id, (record) => record.aborted && record.finished);
      });

      test("does not start a call whose signal is aborted already", async () => {
        const id = uniqueId();
        expect((await rejection(client().hang({ id }, { signal: AbortSignal.abort() }))).code).toBe(Code.Canceled);
        expect((await watch(id)).started).toBe(false);
      });

      test("responds unimplemented for a service that the plugin does not have", async () => {
        const error = await rejection(opened.connection.client(MarkdownService).render({ markdown: "# hi" }));
        expect(error.code).toBe(Code.Unimplemented);
        expect(error.rawMessage).toBe(`no such method: /${MarkdownService.typeName}/Render`);
      });
    });

    describe("server-streaming", () => {
      test("carries messages in order, then headers and trailers are there", async () => {
        const seen: { header?: Headers; trailer?: Headers } = {};
        const responses = client().produce(
          { count: 50, size: 100 },
          {
            onHeader: (header) => {
              seen.header = header;
            },
            onTrailer: (trailer) => {
              seen.trailer = trailer;
            },
          },
        );
        const indices: number[] = [];
        for await (const { index, data } of responses) {
          expect(data).toEqual(new Uint8Array(100).fill(index));
          indices.push(index);
        }
        expect(indices).toEqual(Array.from({ length: 50 }, (_, index) => index));
        expect(seen.header?.get("x-response")).toBe("header");
        expect(seen.trailer?.get("x-response-trailer")).toBe("trailer");
      });

      test("carries large messages, and a single one", async () => {
        const sizes: number[] = [];
        for await (const { data } of client().produce({ count: 3, size: 2 * mebibyte })) {
          sizes.push(data.byteLength);
        }
        expect(sizes).toEqual([2 * mebibyte, 2 * mebibyte, 2 * mebibyte]);
        expect(await Array.fromAsync(client().produce({ count: 1 }))).toMatchObject([{ index: 0 }]);
      });

      test("delivers what came before an error, then the error", async () => {
        const indices: number[] = [];
        const error = await rejection(
          (async () => {
            for await (const { index } of client().produce({ count: 3, failCode: Code.DataLoss })) {
              indices.push(index);
            }
          })(),
        );
        expect(indices).toEqual([0, 1, 2]);
        expect(error).toMatchObject({ code: Code.DataLoss, rawMessage: "as asked" });
      });

      test("keeps to itself what a handler did not mean for the caller", async () => {
        expectInternal(await rejection(Array.fromAsync(client().produce({ count: 1, failCode: 17 }))));
      });

      test("delivers a first message before the last is made, and ends when the caller stops reading", async () => {
        const id = uniqueId();
        for await (const { index } of client().produce({ id, count: 0, size: 1000 })) {
          if (index === 2) {
            break;
          }
        }
        await watchUntil(id, (record) => record.finished);
      });

      test("is cancelled while it streams", async () => {
        const id = uniqueId();
        const controller = new AbortController();
        const error = await rejection(
          (async () => {
            for await (const { index } of client().produce(
              { id, count: 0, size: 1000 },
              { signal: controller.signal },
            )) {
              if (index === 2) {
                controller.abort();
              }
            }
          })(),
        );
        expect(error.code).toBe(Code.Canceled);
        await watchUntil(id, (record) => record.finished);
      });

      test("ends at the deadline while it streams", async () => {
        const id = uniqueId();
        const error = await rejection(
          (async () => {
            for await (const _ of client().produce({ id, count: 0, size: 10 }, { timeoutMs: 500 })) {
              // Reads on for as long as it may.
            }
          })(),
        );
        expect(error.code).toBe(Code.DeadlineExceeded);
        await watchUntil(id, (record) => record.finished);
      });

      test("holds the handler back while the caller does not read", async () => {
        const id = uniqueId();
        const count = 4000;
        const iterator = client()
          .produce({ id, count, size: 64 * 1024 })
          [Symbol.asyncIterator]();
        await iterator.next();
        const { messages } = await settledRecord(id, watch);
        expect(messages).toBeGreaterThanOrEqual(1);
        expect(messages).toBeLessThan(count);
        await iterator.return?.();
        await watchUntil(id, (record) => record.finished);
      });
    });

    describeIf(carries("client_streaming"), "client-streaming", () => {
      test("collects all messages", async () => {
        const data = pattern(64 * 1024);
        const response = await client().collect(repeat(40, () => ({ data })));
        expect(response).toMatchObject({ messages: 40, bytes: BigInt(40 * data.byteLength) });
      });

      test("carries an empty stream", async () => {
        expect(await client().collect(repeat(0, () => ({})))).toMatchObject({ messages: 0, bytes: 0n });
      });

      test("tells the handler when the caller's iterator fails", async () => {
        const id = uniqueId();
        async function* requests() {
          yield { id };
          await watchUntil(id, (record) => record.started);
          throw new Error("the caller's own trouble");
        }
        await expect(client().collect(requests())).rejects.toThrow();
        await watchUntil(id, (record) => record.finished);
      });

      test("is cancelled while it waits for the caller", async () => {
        const id = uniqueId();
        const controller = new AbortController();
        async function* requests() {
          yield { id };
          await watchUntil(id, (record) => record.started);
          controller.abort();
          await new Promise(() => {});
        }
        expect((await rejection(client().collect(requests(), { signal: controller.signal }))).code).toBe(Code.Canceled);
        await watchUntil(id, (record) => record.finished);
      });

      test("holds the caller back while the handler does not read", async () => {
        const id = uniqueId();
        const count = 1000;
        let taken = 0;
        const data = pattern(64 * 1024);
        const response = client().collect(
          repeat(count, (index) => {
            taken = index + 1;
            return index === 0 ? { id, hold: true, data } : { data };
          }),
        );
        await settled(async () => taken);
        const takenBefore = taken;
        // Watching it releases the handler.
        await watch(id);
        expect((await response).messages).toBe(count);
        expect(takenBefore).toBeGreaterThanOrEqual(1);
        expect(takenBefore).toBeLessThan(count);
      }, 60_000);
    });

    describeIf(carries("bidi_streaming"), "bidi-streaming", () => {
      test("responds to each message before the next is sent", async () => {
        const replies: string[] = [];
        let replied = Promise.withResolvers<void>();
        async function* requests() {
          for (const text of ["one", "two", "three"]) {
            yield { text };
            await replied.promise;
            replied = Promise.withResolvers<void>();
          }
        }
        for await (const { text } of client().converse(requests())) {
          replies.push(text);
          replied.resolve();
        }
        expect(replies).toEqual(["one", "two", "three"]);
      });

      test("carries many messages both ways", async () => {
        const responses = await Array.fromAsync(
          client().converse(repeat(500, (index) => ({ text: `message ${index}` }))),
        );
        expect(responses.map((response) => response.text)).toEqual(
          Array.from({ length: 500 }, (_, index) => `message ${index}`),
        );
      });

      test("delivers an error in the middle of a conversation", async () => {
        const replies: string[] = [];
        async function* requests() {
          yield { text: "one" };
          yield { text: "two", failCode: Code.ResourceExhausted };
          yield { text: "three" };
        }
        const error = await rejection(
          (async () => {
            for await (const { text } of client().converse(requests())) {
              replies.push(text);
            }
          })(),
        );
        expect(replies).toEqual(["one"]);
        expect(error.code).toBe(Code.ResourceExhausted);
      });

      test("ends when the caller stops reading", async () => {
        const id = uniqueId();
        let closed = false;
        async function* requests() {
          try {
            yield { id, text: "one" };
            await watchUntil(id, (record) => record.finished);
          } finally {
            closed = true;
          }
        }
        for await (const { text } of client().converse(requests())) {
          expect(text).toBe("one");
          break;
        }
        await watchUntil(id, (record) => record.finished);
        await vi.waitFor(() => expect(closed).toBe(true), { timeout: 10_000 });
      });
    });

    describeIf(!carries("client_streaming"), "client-streaming, which it can't carry", () => {
      test("fails with an error that says why", async () => {
        const error = await rejection(client().collect(repeat(1, () => ({}))));
        expectNoRoute(error, "plugboard.test.v1.BehaviourService/Collect");
      });
    });

    describeIf(!carries("bidi_streaming"), "bidi-streaming, which it can't carry", () => {
      test("fails with an error that says why, and ends the caller's iterator", async () => {
        const returned = vi.fn(async () => ({ done: true as const, value: undefined }));
        const requests = { [Symbol.asyncIterator]: () => ({ next: returned, return: returned }) };
        const error = await rejection(Array.fromAsync(client().converse(requests)));
        expectNoRoute(error, "plugboard.test.v1.BehaviourService/Converse");
        expect(returned).toHaveBeenCalledOnce();
      });
    });

    test("makes more calls at once than a connection may have in flight", async () => {
      const echoes = Array.from({ length: 300 }, (_, index) => client().echo({ text: `call ${index}` }));
      const streams = Array.from({ length: 150 }, () => Array.fromAsync(client().produce({ count: 2 })));
      expect((await Promise.all(echoes)).map(({ text }) => text)).toEqual(echoes.map((_, index) => `call ${index}`));
      expect((await Promise.all(streams)).map(({ length }) => length)).toEqual(streams.map(() => 2));
    });

    describeFaults(open);
    describeDeadlines(open);
    describeUnreadAndEndless(open);
    describeLeftEarly(open);
    describeMetadata(open);
    describeLimits(open, route.name === "memory");
    describeLongErrors(open);

    test("keeps calls apart that run at the same time", async () => {
      const unary = Array.from({ length: 100 }, async (_, index) => {
        const data = pattern(index * 100);
        const response = await client().echo({ text: `call ${index}`, data });
        expect(response).toMatchObject({ text: `call ${index}` });
        expect(sameBytes(response.data, data)).toBe(true);
      });
      const streams = Array.from({ length: 20 }, async (_, index) => {
        const responses = await Array.fromAsync(client().produce({ count: index + 1, size: index * 10 }));
        expect(responses.map((response) => response.data.byteLength)).toEqual(new Array(index + 1).fill(index * 10));
      });
      const failing = Array.from({ length: 16 }, async (_, index) => {
        expect((await rejection(client().fail({ code: index + 1 }))).code).toBe(index + 1);
      });
      await Promise.all([...unary, ...streams, ...failing]);
    });
  });
}

function expectInternal(error: ConnectError) {
  expect(error.code).toBe(Code.Internal);
  expect(error.rawMessage).toBe("internal error");
  expect(error.message + JSON.stringify([...error.metadata])).not.toContain("swordfish");
}

function expectNoRoute(error: ConnectError, method: string) {
  expect(error.code).toBe(Code.Unimplemented);
  expect(isPlugboardError(error, "PB-ROUTE-NONE")).toBe(true);
  expect(error.message).toContain(method);
  expect(error.message).toMatch(/both directions|request body/);
}

async function settledRecord(id: string, watch: (id: string) => Promise<WatchResponse>): Promise<WatchResponse> {
  await settled(async () => (await watch(id)).messages);
  return watch(id);
}

/** Waits until a number has stopped growing. */
async function settled(read: () => Promise<number>): Promise<void> {
  let last = Number.NaN;
  let unchanged = 0;
  await vi.waitFor(
    async () => {
      const now = await read();
      unchanged = now === last ? unchanged + 1 : 0;
      last = now;
      expect(now).toBeGreaterThan(0);
      expect(unchanged).toBeGreaterThanOrEqual(5);
    },
    { timeout: 20_000, interval: 50 },
  );
}

async function* repeat<T>(count: number, make: (index: number) => T): AsyncGenerator<T> {
  for (let index = 0; index < count; index++) {
    yield make(index);
  }
}

function uniqueId(): string {
  return crypto.randomUUID();
}

function pattern(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) {
    bytes[index] = (index * 31 + (index >> 8)) & 0xff;
  }
  return bytes;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);
}
