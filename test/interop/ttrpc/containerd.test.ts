import { once } from "node:events";
import type { Client } from "@connectrpc/connect";
import { Code, createClient } from "@connectrpc/connect";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { isPlugboardError } from "../../../src/base/errors.ts";
import { maxDataBytes } from "../../../src/ttrpc/limits.ts";
import { frameType } from "../../../src/ttrpc/wire/frame.ts";
import plugin from "../../behaviour/plugin.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../../support/rejection.ts";
import { connectTtrpc, serveTtrpc } from "../../support/ttrpc/local-ttrpc.ts";
import { connectRaw, requestFrame, responseOf } from "../../support/ttrpc/raw-peer.ts";
import { lacksGo } from "../build-go.ts";
import type { OpenDirection } from "./calls.ts";
import { describeCalls, pattern } from "./calls.ts";
import { startGoClient } from "./go-client.ts";
import type { GoProgram } from "./go-program.ts";
import { buildGoProgram, startGoServer } from "./go-program.ts";

const { echo, hang } = BehaviourService.method;
// The plugin's handlers do not look at its context.
const serveOurs = () => serveTtrpc((router) => plugin.routes(router, {} as never));

describe.skipIf(lacksGo)("ttrpc with containerd's implementation, for which go has to be on PATH", () => {
  let program: GoProgram;
  beforeAll(async () => {
    program = await buildGoProgram();
    return () => program[Symbol.asyncDispose]();
  }, 300_000);

  const directions: readonly { name: string; open: () => Promise<OpenDirection> }[] = [
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

  for (const { name, open } of directions) {
    describeCalls(name, open);
  }

  test("our client tells of a Go server that dies in the middle of a call", async () => {
    await using server = await startGoServer(program);
    using ours = connectTtrpc(server.path);
    const client = createClient(BehaviourService, ours.plain);
    const hanging = rejection(client.hang({ id: "a" }));
    await untilStarted(client, "a");
    server.process.kill("SIGKILL");
    expect(isPlugboardError(await hanging, "PB-CONNECTION-LOST")).toBe(true);
  });

  test("our client tells of a Go server that breaks the connection over a response above 4 MiB, and connects again", async () => {
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

  test("a Go client gets a response of ours above 4 MiB as an error, and its connection lives on", async () => {
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

  test("a Go server and our client end a stream at its deadline", async () => {
    await using server = await startGoServer(program);
    using ours = connectTtrpc(server.path);
    const client = createClient(BehaviourService, ours.plain);
    const endless = Array.fromAsync(client.produce({ id: "a" }, { timeoutMs: 200 }));
    expect((await rejection(endless)).code).toBe(Code.DeadlineExceeded);
    await vi.waitFor(
      async () => expect(await client.watch({ id: "a" })).toMatchObject({ aborted: true, finished: true }),
      10_000,
    );
    expect(ours.sockets.length).toBe(1);
  });

  test("a Go server takes no notice of the metadata that asks for our extension", async () => {
    await using server = await startGoServer(program);
    using ours = connectTtrpc(server.path);
    const client = createClient(BehaviourService, ours.plain);
    const options = { headers: { "plugboard-stream": "1" } };
    expect((await client.echo({ text: "hello" }, options)).text).toBe("hello");
    expect((await rejection(client.fail({ code: Code.Aborted }, options))).code).toBe(Code.Aborted);
    expect((await Array.fromAsync(client.produce({ count: 20, size: 64 * 1024 }, options))).length).toBe(20);
    async function* requests() {
      yield { data: pattern(64 * 1024) };
      yield {};
    }
    expect((await client.collect(requests(), options)).messages).toBe(2);
    async function* texts() {
      yield { text: "one" };
      yield { text: "two" };
    }
    expect((await Array.fromAsync(client.converse(texts(), options))).map(({ text }) => text)).toEqual(["one", "two"]);
    expect(ours.sockets.length).toBe(1);
  });

  test("a Go server refuses what comes on stream 0, whatever its type, and the connection lives on", async () => {
    await using server = await startGoServer(program);
    using peer = await connectRaw(server.path);
    peer.send({ streamId: 0, type: frameType.ping, data: new Uint8Array(8) }, requestFrame(1, echo, {}));
    expect(responseOf(await peer.nextOn(0)).code).toBe(Code.InvalidArgument);
    expect(responseOf(await peer.nextOn(1)).code).toBe(0);
  });

  const servers = [
    { name: "a Go server", serve: () => startGoServer(program) },
    { name: "our server", serve: serveOurs },
  ];
  describe.each(servers)("frames that are wrong, sent to $name", ({ serve }) => {
    const request = requestFrame(3, echo, { text: "third" });
    const wrong = [
      { what: "an even stream id", streamId: 4, frame: { ...request, streamId: 4 }, code: Code.InvalidArgument },
      { what: "a stream id that was used", streamId: 3, frame: request, code: Code.InvalidArgument },
      {
        what: "a stream id below one that was used",
        streamId: 1,
        frame: { ...request, streamId: 1 },
        code: Code.InvalidArgument,
      },
      {
        what: "a request that can't be read",
        streamId: 5,
        frame: { ...request, streamId: 5, data: Uint8Array.of(0x0a, 0xff) },
        code: Code.InvalidArgument,
      },
      {
        what: "a request over 4 MiB",
        streamId: 5,
        frame: { ...request, streamId: 5, data: new Uint8Array(maxDataBytes + 1) },
        code: Code.ResourceExhausted,
      },
    ];
    test.each(wrong)("$what is refused, and the connection lives on", async ({ streamId, frame, code }) => {
      await using server = await serve();
      using peer = await connectRaw(server.path);
      peer.send(request);
      expect(responseOf(await peer.nextOn(3)).code).toBe(0);
      peer.send(frame);
      expect(responseOf(await peer.nextOn(streamId)).code).toBe(code);
      peer.send({ ...request, streamId: 7 });
      expect(responseOf(await peer.nextOn(7)).code).toBe(0);
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
      expect(responseOf(await peer.nextOn(1)).code).toBe(Code.DeadlineExceeded);
    });
  });
});

async function untilStarted(client: Client<typeof BehaviourService>, id: string) {
  await vi.waitFor(async () => expect((await client.watch({ id })).started).toBe(true), 10_000);
}
