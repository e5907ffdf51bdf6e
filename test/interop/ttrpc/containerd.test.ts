import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import type { Client, Transport } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { BehaviourService, EchoRequestSchema } from "../../../src/gen/plugboard/test/v1/behaviour_pb.ts";
import { isPlugboardError } from "../../../src/plugin/errors.ts";
import { frameType, maxDataBytes } from "../../../src/ttrpc/frame.ts";
import plugin from "../../behaviour/plugin.ts";
import { connectTtrpc, serveTtrpc } from "../../ttrpc/local-ttrpc.ts";
import { answerOf, connectRaw, requestFrame } from "../../ttrpc/raw-peer.ts";
import { startGoClient } from "./go-client.ts";
import type { GoProgram } from "./go-program.ts";
import { buildGoProgram, hasGo, startGoServer } from "./go-program.ts";

const { echo, hang } = BehaviourService.method;
// The plugin's handlers do not look at its context.
const serveOurs = () => serveTtrpc((router) => plugin.routes(router, {} as never));

// In CI the suite fails without Go.
const missing = !hasGo() && process.env.CI === undefined;

describe.skipIf(missing)("ttrpc with containerd's implementation, for which go has to be on PATH", () => {
  let program: GoProgram;
  beforeAll(async () => {
    program = await buildGoProgram();
  }, 300_000);
  afterAll(() => program[Symbol.asyncDispose]());

  const directions: readonly { name: string; open: () => Promise<{ transport: Transport } & AsyncDisposable> }[] = [
    {
      name: "our client and a Go server",
      async open() {
        const server = await startGoServer(program);
        const client = connectTtrpc(server.path);
        return {
          transport: client.plain,
          async [Symbol.asyncDispose]() {
            expect(client.sockets.length).toBe(1);
            client[Symbol.dispose]();
            await server[Symbol.asyncDispose]();
          },
        };
      },
    },
    {
      name: "a Go client and our server",
      async open() {
        const server = await serveOurs();
        const client = startGoClient(program, server.path);
        return {
          transport: client.transport,
          async [Symbol.asyncDispose]() {
            await client[Symbol.asyncDispose]();
            await server[Symbol.asyncDispose]();
          },
        };
      },
    },
  ];

  describe.each(directions)("$name", ({ open }) => {
    let opened: Awaited<ReturnType<typeof open>>;
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
        // A Go server dies of what comes after it has answered.
        await over.promise;
      }
      expect((await rejection(client.collect(requests()))).code).toBe(Code.Aborted);
      over.resolve();
    });

    test("a bidi-streaming call answers each message before the next", async () => {
      const answers: string[] = [];
      let answered = Promise.withResolvers<void>();
      async function* requests() {
        for (const text of ["one", "", "three"]) {
          yield { text };
          await answered.promise;
          answered = Promise.withResolvers<void>();
        }
      }
      for await (const { text } of client.converse(requests())) {
        answers.push(text);
        answered.resolve();
      }
      expect(answers).toEqual(["one", "", "three"]);
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
      const answers: string[] = [];
      const read = async () => {
        for await (const { text } of client.converse(requests())) {
          answers.push(text);
        }
      };
      expect((await rejection(read())).code).toBe(Code.OutOfRange);
      over.resolve();
      expect(answers).toEqual(["one"]);
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

  test("our client tells of a Go server that dies in the middle of a call", async () => {
    await using server = await startGoServer(program);
    using ours = connectTtrpc(server.path);
    const client = createClient(BehaviourService, ours.plain);
    const hanging = rejection(client.hang({ id: "a" }));
    await untilStarted(client, "a");
    server.process.kill("SIGKILL");
    expect(isPlugboardError(await hanging, "PB-CONNECTION-LOST")).toBe(true);
  });

  test("our client tells of a Go server that breaks the connection over an answer above 4 MiB, and connects again", async () => {
    await using server = await startGoServer(program);
    using ours = connectTtrpc(server.path);
    const client = createClient(BehaviourService, ours.plain);
    const error = await rejection(Array.fromAsync(client.produce({ count: 1, size: maxDataBytes })));
    expect(isPlugboardError(error, "PB-CONNECTION-LOST")).toBe(true);
    expect((await client.echo({ text: "again" })).text).toBe("again");
  });

  test("a handler of a Go server sees that our client's connection is gone", async () => {
    await using server = await startGoServer(program);
    using first = connectTtrpc(server.path);
    using second = connectTtrpc(server.path);
    const client = createClient(BehaviourService, second.plain);
    const hanging = rejection(createClient(BehaviourService, first.plain).hang({ id: "a" }));
    await untilStarted(client, "a");
    first.close(new Error("enough"));
    await vi.waitFor(async () => expect((await client.watch({ id: "a" })).aborted).toBe(true), 10_000);
    expect((await hanging).rawMessage).toBe("enough");
  });

  test("a Go client tells of our server's connection that is gone in the middle of a call", async () => {
    await using server = await serveOurs();
    await using go = startGoClient(program, server.path);
    const client = createClient(BehaviourService, go.transport);
    const id = crypto.randomUUID();
    const hanging = rejection(client.hang({ id }));
    await untilStarted(client, id);
    server.sockets[0]?.destroy();
    expect((await hanging).rawMessage).toBe("ttrpc: closed");
  });

  test("a Go client gets an answer of ours above 4 MiB as an error, and its connection lives on", async () => {
    await using server = await serveOurs();
    await using go = startGoClient(program, server.path);
    const client = createClient(BehaviourService, go.transport);
    const error = await rejection(Array.fromAsync(client.produce({ count: 1, size: maxDataBytes })));
    expect(error.code).toBe(Code.ResourceExhausted);
    expect((await client.echo({ text: "still here" })).text).toBe("still here");
  });

  test("a handler of our server sees that a Go client is gone", async () => {
    await using server = await serveOurs();
    await using go = startGoClient(program, server.path);
    using ours = connectTtrpc(server.path);
    const client = createClient(BehaviourService, ours.plain);
    const id = crypto.randomUUID();
    const hanging = createClient(BehaviourService, go.transport).hang({ id });
    const ended = expect(hanging).rejects.toThrow("the Go client has ended");
    await untilStarted(client, id);
    go.process.kill("SIGKILL");
    await once(go.process, "exit");
    await vi.waitFor(async () => expect((await client.watch({ id })).aborted).toBe(true), 10_000);
    await ended;
  });

  test("a Go server takes the calls of a client that asks for our extension as plain ones", async () => {
    await using server = await startGoServer(program);
    using ours = connectTtrpc(server.path);
    const client = createClient(BehaviourService, ours.extended);
    expect((await client.echo({ text: "hello" })).text).toBe("hello");
    // Enough for frames that give the server a window, of which it does not know.
    expect((await Array.fromAsync(client.produce({ count: 20, size: 64 * 1024 }))).length).toBe(20);
    async function* requests() {
      yield { text: "one" };
      yield { text: "two" };
    }
    expect((await Array.fromAsync(client.converse(requests()))).map(({ text }) => text)).toEqual(["one", "two"]);
    const controller = new AbortController();
    const hanging = rejection(client.hang({ id: "a" }, { signal: controller.signal }));
    await untilStarted(client, "a");
    controller.abort();
    expect((await hanging).code).toBe(Code.Canceled);
    expect((await client.echo({ text: "still here" })).text).toBe("still here");
    expect(ours.sockets.length).toBe(1);
  });

  const servers = [
    { name: "a Go server", serve: () => startGoServer(program) },
    { name: "our server", serve: serveOurs },
  ];
  describe.each(servers)("frames that are wrong, sent to $name", ({ serve }) => {
    const request = requestFrame(3, echo, { text: "third" });
    const wrong = [
      ["an even stream id", 4, { ...request, streamId: 4 }, Code.InvalidArgument],
      ["a stream id that was used", 3, request, Code.InvalidArgument],
      ["a stream id below one that was used", 1, { ...request, streamId: 1 }, Code.InvalidArgument],
      [
        "a request that can't be read",
        5,
        { ...request, streamId: 5, data: Uint8Array.of(0x0a, 0xff) },
        Code.InvalidArgument,
      ],
      [
        "a request over 4 MiB",
        5,
        { ...request, streamId: 5, data: new Uint8Array(maxDataBytes + 1) },
        Code.ResourceExhausted,
      ],
    ] as const;
    test.each(wrong)("%s is answered, and the connection lives on", async (_what, streamId, frame, code) => {
      await using server = await serve();
      using peer = await connectRaw(server.path);
      peer.send(request);
      expect(answerOf(await peer.nextOn(3)).code).toBe(0);
      peer.send(frame);
      expect(answerOf(await peer.nextOn(streamId)).code).toBe(code);
      peer.send({ ...request, streamId: 7 });
      expect(answerOf(await peer.nextOn(7)).code).toBe(0);
    });

    test("a type that is not known is ignored", async () => {
      await using server = await serve();
      using peer = await connectRaw(server.path);
      peer.send({ streamId: 1, type: 0x7f, data: pattern(10) }, { streamId: 1, type: frameType.response }, request);
      expect((await peer.next())?.streamId).toBe(3);
    });

    test("a deadline is kept by the server itself", async () => {
      await using server = await serve();
      using peer = await connectRaw(server.path);
      peer.send(requestFrame(1, hang, { id: crypto.randomUUID() }, { timeoutMs: 50 }));
      expect(answerOf(await peer.nextOn(1)).code).toBe(Code.DeadlineExceeded);
    });
  });
});

async function untilStarted(client: Client<typeof BehaviourService>, id: string) {
  await vi.waitFor(async () => expect((await client.watch({ id })).started).toBe(true), 10_000);
}

async function rejection(promise: Promise<unknown>): Promise<ConnectError> {
  const error: unknown = await promise.then(
    () => new Error("the call did not fail"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) {
    throw error;
  }
  return error;
}

async function* nothing() {}

function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
}
