import type { DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { Code, createClient } from "@connectrpc/connect";
import { describe, expect, test, vi } from "vitest";
import { readRequest } from "../../../src/ttrpc/wire/envelope.ts";
import { frameFlag, frameType, openFlags, uint32, uint32Bytes } from "../../../src/ttrpc/wire/frame.ts";
import { initialWindowBytes } from "../../../src/ttrpc/wire/send-window.ts";
import { BehaviourService, EchoResponseSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { connectTtrpc, listen, serveTtrpc } from "../../support/ttrpc/local-ttrpc.ts";
import type { RawFrame } from "../../support/ttrpc/raw-frames.ts";
import type { RawPeer } from "../../support/ttrpc/raw-peer.ts";
import { connectRaw, dataFrame, endFrame, rawPeer, requestFrame, responseOf } from "../../support/ttrpc/raw-peer.ts";

const { echo, collect, converse } = BehaviourService.method;
const mib = 1024 * 1024;
const maxMessageBytes = 16 * mib;

const announce = (streamId: number, length: number): RawFrame => ({
  streamId,
  type: frameType.chunk,
  flags: frameFlag.chunkLength,
  data: uint32Bytes(length),
});
const piece = (streamId: number, data: Uint8Array): RawFrame => ({ streamId, type: frameType.chunk, data });

function encoded<M extends DescMethod>(method: M, message: MessageInitShape<M["input"]>): Uint8Array {
  return toBinary(method.input, create(method.input, message));
}

function watched() {
  const seen = { running: 0 };
  const routes = (router: ConnectRouter) => {
    router.service(BehaviourService, {
      echo: ({ text, data }) => ({ text, data }),
      async *produce({ count, size }) {
        for (let index = 0; index < count; index++) {
          yield { index, data: new Uint8Array(size) };
        }
      },
      async collect(requests) {
        let messages = 0;
        let bytes = 0n;
        for await (const { data } of requests) {
          messages += 1;
          bytes += BigInt(data.byteLength);
        }
        return { messages, bytes };
      },
      // Reads nothing until its call is over.
      async *converse(_requests, { signal }) {
        seen.running += 1;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        seen.running -= 1;
      },
    });
  };
  return { seen, routes };
}

/** The response on a stream, after the windows that come before it. */
async function responseOn(peer: RawPeer, streamId: number) {
  let frame = await peer.nextOn(streamId);
  while (frame.type === frameType.window) {
    frame = await peer.nextOn(streamId);
  }
  return responseOf(frame);
}

async function expectWorking(peer: RawPeer, streamId: number) {
  peer.send(requestFrame(streamId, echo, { text: "still here" }));
  expect(responseOf(await peer.nextOn(streamId)).code).toBe(0);
}

describe("messages over 4 MiB between peers that know plugboard.chunk.v1", () => {
  async function open() {
    const server = await serveTtrpc(watched().routes, { maxMessageBytes });
    const ttrpc = connectTtrpc(server.path, { maxMessageBytes });
    const client = createClient(BehaviourService, ttrpc.knowing({ extended: true, chunked: true }));
    const plain = createClient(BehaviourService, ttrpc.extended);
    return {
      client,
      plain,
      async [Symbol.asyncDispose]() {
        ttrpc[Symbol.dispose]();
        for (const connection of server.connections) {
          // Nothing is left.
          connection.drain();
          await connection.closed;
        }
        await server[Symbol.asyncDispose]();
      },
    };
  }
  const data = Uint8Array.from({ length: 9 * mib + 3 }, (_, index) => (index * 31) >> 3);

  test("travel in a unary call, both ways, and other calls go on between their pieces", async () => {
    await using opened = await open();
    const large = opened.client.echo({ text: "large", data });
    expect((await opened.client.echo({ text: "small" })).text).toBe("small");
    const response = await large;
    expect(Buffer.compare(response.data, data)).toBe(0);
    expect(response.text).toBe("large");
  });

  test("travel in streams, both ways, between others", async () => {
    await using opened = await open();
    const sizes = [10, 5 * mib, 0, 8 * mib, 4 * mib, 1];
    async function* requests() {
      for (const size of sizes) {
        yield { data: data.subarray(0, size) };
      }
    }
    const total = sizes.reduce((sum, size) => sum + size);
    expect(await opened.client.collect(requests())).toMatchObject({ messages: 6, bytes: BigInt(total) });
    const responses = await Array.fromAsync(
      opened.client.produce({ id: "x".repeat(5 * mib), count: 3, size: 6 * mib }),
    );
    expect(responses.map((each) => each.data.byteLength)).toEqual([6 * mib, 6 * mib, 6 * mib]);
  });

  test("are refused over the limit, whichever side's, and the connection lives on", async () => {
    await using opened = await open();
    const tooLong = { code: Code.ResourceExhausted };
    await expect(opened.client.echo({ data: new Uint8Array(maxMessageBytes) })).rejects.toMatchObject(tooLong);
    const produced = Array.fromAsync(opened.client.produce({ count: 1, size: maxMessageBytes }));
    await expect(produced).rejects.toMatchObject(tooLong);
    async function* requests() {
      yield { data: new Uint8Array(maxMessageBytes) };
    }
    await expect(opened.client.collect(requests())).rejects.toMatchObject(tooLong);
    expect((await opened.client.echo({ data: new Uint8Array(maxMessageBytes - 16) })).data).toHaveLength(
      maxMessageBytes - 16,
    );
  });

  test("are refused where plugboard.stream.v1 is all there is", async () => {
    await using opened = await open();
    await expect(opened.plain.echo({ data })).rejects.toMatchObject({ code: Code.ResourceExhausted });
    await expect(Array.fromAsync(opened.plain.produce({ count: 1, size: 5 * mib }))).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
  });
});

describe("a server refuses chunks that are wrong, on their stream alone", () => {
  const wrong: [string, (id: number) => RawFrame[], Code][] = [
    ["a length over the limit", (id) => [announce(id, maxMessageBytes + 1)], Code.ResourceExhausted],
    ["a length of 4 GiB", (id) => [announce(id, 0xffffffff)], Code.ResourceExhausted],
    ["a length that is none", (id) => [{ ...announce(id, 1), data: new Uint8Array(3) }], Code.InvalidArgument],
    ["a piece of nothing", (id) => [piece(id, new Uint8Array(1))], Code.InvalidArgument],
    ["an empty piece", (id) => [announce(id, 9), piece(id, new Uint8Array(0))], Code.InvalidArgument],
    ["more than was announced", (id) => [announce(id, 9), piece(id, new Uint8Array(10))], Code.InvalidArgument],
    ["a message within another", (id) => [announce(id, 9), announce(id, 9)], Code.InvalidArgument],
    ["data within a message", (id) => [announce(id, 9), dataFrame(id, collect, {})], Code.InvalidArgument],
    ["an end within a message", (id) => [announce(id, 9), endFrame(id)], Code.InvalidArgument],
    [
      "pieces beyond the window, of a handler that does not read",
      (id) => [
        announce(id, 3 * initialWindowBytes),
        piece(id, new Uint8Array(initialWindowBytes)),
        piece(id, new Uint8Array(1)),
      ],
      Code.ResourceExhausted,
    ],
  ];
  test.each(wrong)("%s", async (what, frames, code) => {
    const { routes } = watched();
    await using server = await serveTtrpc(routes, { maxMessageBytes });
    using peer = await connectRaw(server.path);
    const method = what.startsWith("pieces beyond") ? converse : collect;
    peer.send(requestFrame(1, method, undefined, { flags: openFlags.stream, chunked: true }), ...frames(1));
    expect((await responseOn(peer, 1)).code).toBe(code);
    await expectWorking(peer, 3);
    server.connections[0]?.drain();
    await server.connections[0]?.closed;
  });

  test("chunks for a unary call that has its message already are refused", async () => {
    await using server = await serveTtrpc((router) =>
      router.rpc(BehaviourService.method.hang, () => new Promise(() => {})),
    );
    using peer = await connectRaw(server.path);
    peer.send(requestFrame(1, BehaviourService.method.hang, {}, { chunked: true }), announce(1, 9));
    expect(responseOf(await peer.nextOn(1)).code).toBe(Code.InvalidArgument);
  });
});

test("a server ignores chunks on a stream that has not asked for them", async () => {
  await using server = await serveTtrpc(watched().routes, { maxMessageBytes });
  using peer = await connectRaw(server.path);
  peer.send(
    requestFrame(1, collect, undefined, { flags: openFlags.stream, extended: true }),
    announce(1, 9),
    dataFrame(1, collect, {}),
    endFrame(1),
  );
  expect(responseOf(await peer.nextOn(1)).code).toBe(0);
});

test("a message that is never finished ends with its call, cancelled midway or at its deadline", async () => {
  const { seen, routes } = watched();
  await using server = await serveTtrpc(routes, { maxMessageBytes });
  using peer = await connectRaw(server.path);
  const flags = openFlags.stream;
  peer.send(
    requestFrame(1, echo, undefined, { flags, chunked: true }),
    announce(1, maxMessageBytes),
    piece(1, new Uint8Array(1000)),
    requestFrame(3, converse, undefined, { flags, chunked: true }),
    announce(3, maxMessageBytes),
    requestFrame(5, echo, undefined, { flags, chunked: true, timeoutMs: 1 }),
    announce(5, maxMessageBytes),
  );
  // The handler of a unary call waits for its message, and so all of it is allowed.
  const window = await peer.nextOn(1);
  expect(window.type).toBe(frameType.window);
  expect(uint32(window.data ?? new Uint8Array(4), 0)).toBeGreaterThanOrEqual(maxMessageBytes);
  await vi.waitFor(() => expect(seen.running).toBe(1));
  peer.send({ streamId: 1, type: frameType.cancel }, { streamId: 3, type: frameType.cancel });
  expect((await responseOn(peer, 5)).code).toBe(Code.DeadlineExceeded);
  await expectWorking(peer, 7);
  await vi.waitFor(() => expect(seen.running).toBe(0));
  server.connections[0]?.drain();
  await server.connections[0]?.closed;
});

test("chunks of several streams may be interleaved", async () => {
  await using server = await serveTtrpc(watched().routes, { maxMessageBytes });
  using peer = await connectRaw(server.path);
  const ids = [1, 3, 5];
  const bytes = encoded(echo, { text: "in pieces" });
  peer.send(
    ...ids.map((id) => requestFrame(id, echo, undefined, { flags: openFlags.stream, chunked: true })),
    ...ids.map((id) => announce(id, bytes.byteLength)),
    ...ids.map((id) => piece(id, bytes.subarray(0, 4))),
    ...ids.map((id) => piece(id, bytes.subarray(4))),
  );
  for (const id of ids) {
    expect(Buffer.from((await responseOn(peer, id)).payload).toString()).toContain("in pieces");
  }
});

describe("a client fails a call whose server sends chunks that are wrong, and the connection lives on", () => {
  const wrong: [string, (id: number) => RawFrame[], Code][] = [
    ["a length over the limit", (id) => [announce(id, maxMessageBytes + 1)], Code.ResourceExhausted],
    ["a piece of nothing", (id) => [piece(id, new Uint8Array(1))], Code.Internal],
    [
      "a response before its message is whole",
      (id) => [announce(id, 9), { streamId: id, type: frameType.response }],
      Code.Internal,
    ],
  ];
  test.each(wrong)("%s", async (_what, frames, code) => {
    await using server = await listen((socket) => {
      const peer = rawPeer(socket);
      void (async () => {
        for (let frame = await peer.next(); frame !== undefined; frame = await peer.next()) {
          const { streamId, type, data } = frame;
          if (type === frameType.request && data !== undefined) {
            const { text } = create(echo.input, readText(data));
            const payload = toBinary(EchoResponseSchema, create(EchoResponseSchema, { text }));
            const good: RawFrame[] = [
              announce(streamId, payload.byteLength),
              piece(streamId, payload),
              { streamId, type: frameType.response },
            ];
            peer.send(...(text === "good" ? good : frames(streamId)));
          }
        }
      })();
    });
    using ttrpc = connectTtrpc(server.path, { maxMessageBytes });
    const client = createClient(BehaviourService, ttrpc.knowing({ extended: true, chunked: true }));
    await expect(client.echo({ text: "bad" })).rejects.toMatchObject({ code });
    await expect(Array.fromAsync(client.produce({}))).rejects.toMatchObject({ code });
    expect((await client.echo({ text: "good" })).text).toBe("good");
    expect(ttrpc.sockets).toHaveLength(1);
  });
});

function readText(request: Uint8Array): { text: string } {
  return { text: Buffer.from(readRequest(request).payload).toString().slice(2) };
}
