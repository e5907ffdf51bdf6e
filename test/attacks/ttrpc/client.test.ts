import type { ConnectRouter } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { maxDataBytes } from "../../../src/ttrpc/limits.ts";
import { encodeMethod } from "../../../src/ttrpc/wire/envelope.ts";
import { frameFlag, frameType, headerBytes, uint32Bytes } from "../../../src/ttrpc/wire/frame.ts";
import { initialWindowBytes } from "../../../src/ttrpc/wire/send-window.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { connectTtrpc, maxConcurrentCalls, maxMessageBytes, serveTtrpc } from "../../support/ttrpc/local-ttrpc.ts";
import { cutAt, encodeFrame } from "../../support/ttrpc/raw-frames.ts";
import type { RawPeer } from "../../support/ttrpc/raw-peer.ts";
import { connectRaw, dataFrame, endFrame, requestFrame, responseOf } from "../../support/ttrpc/raw-peer.ts";

const { echo, hang, produce, collect, converse } = BehaviourService.method;

/** A record of what a server of these tests has seen. */
function watched() {
  const seen = { running: 0, produced: 0 };
  const routes = (router: ConnectRouter) => {
    router.service(BehaviourService, {
      echo: ({ text, data }) => ({ text, data }),
      async hang(_request, { signal }) {
        seen.running += 1;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        seen.running -= 1;
        throw signal.reason;
      },
      async *produce({ count, size }) {
        seen.running += 1;
        try {
          for (let index = 0; count === 0 || index < count; index++) {
            seen.produced += 1;
            yield { index, data: new Uint8Array(size) };
          }
        } finally {
          seen.running -= 1;
        }
      },
      async collect(requests) {
        let messages = 0;
        for await (const _ of requests) {
          messages += 1;
        }
        return { messages };
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

/** Sees that calls go on working on a connection. */
async function expectWorking(peer: RawPeer, streamId: number) {
  peer.send(requestFrame(streamId, echo, { text: "still here" }));
  const { code, payload } = responseOf(await peer.nextOn(streamId));
  expect(code).toBe(0);
  expect(Buffer.from(payload).toString()).toContain("still here");
}

/** Sees that a server holds no call of its connections any more. */
async function expectNothingLeft(server: Awaited<ReturnType<typeof serveTtrpc>>) {
  for (const connection of server.connections) {
    connection.drain();
    await connection.closed;
  }
}

describe("a frame that is wrong is refused on its stream, and calls beside it go on", () => {
  const wrong = [
    [
      "a request that can't be read",
      { type: frameType.request, data: Uint8Array.of(0x0a, 0xff) },
      Code.InvalidArgument,
    ],
    [
      "a request with control characters in its metadata",
      requestFrame(3, echo, {}, { metadata: { "x-tenant": "\x1b[2J\x07" } }),
      Code.InvalidArgument,
    ],
    [
      "a request with a line break in its metadata",
      requestFrame(3, echo, {}, { metadata: { "x-tenant": "a\r\nb" } }),
      Code.InvalidArgument,
    ],
    ["a request without a method", { type: frameType.request }, Code.Unimplemented],
    [
      "a request for a method whose name fills the frame",
      { type: frameType.request, data: encodeMethod("x".repeat(maxDataBytes - 20), "y") },
      Code.Unimplemented,
    ],
    [
      "a request over 4 MiB",
      { type: frameType.request, data: new Uint8Array(maxDataBytes + 1) },
      Code.ResourceExhausted,
    ],
    ["data on a stream that was never opened", { type: frameType.data, data: new Uint8Array(9) }, Code.InvalidArgument],
  ] as const;
  test.each(wrong)("%s", async (_what, frame, code) => {
    await using server = await serveTtrpc(watched().routes);
    using peer = await connectRaw(server.path);
    peer.send(
      requestFrame(1, collect, undefined, { flags: frameFlag.remoteOpen }),
      { streamId: 3, ...frame },
      dataFrame(1, collect, {}),
      endFrame(1),
    );
    expect(responseOf(await peer.nextOn(3)).code).toBe(code);
    expect(responseOf(await peer.nextOn(1)).code).toBe(0);
    await expectWorking(peer, 5);
    await expectNothingLeft(server);
  });

  test.each([
    ["an even stream id", 2],
    ["stream id 0", 0],
    ["a stream id that was used", 5],
    ["a stream id that was skipped", 3],
    ["a stream id of a call in flight", 7],
  ])("%s", async (_what, streamId) => {
    await using server = await serveTtrpc(watched().routes);
    using peer = await connectRaw(server.path);
    await expectWorking(peer, 5);
    peer.send(requestFrame(7, hang, {}, { extended: true }), requestFrame(streamId, echo, {}));
    expect(responseOf(await peer.nextOn(streamId)).code).toBe(Code.InvalidArgument);
    await expectWorking(peer, 9);
  });

  test("a message that is longer than the server takes, in a request and in data", async () => {
    await using server = await serveTtrpc(watched().routes);
    using peer = await connectRaw(server.path);
    const data = new Uint8Array(maxMessageBytes);
    peer.send(
      requestFrame(1, echo, { data }),
      requestFrame(3, collect, undefined, { flags: frameFlag.remoteOpen }),
      dataFrame(3, collect, { data }),
      requestFrame(5, collect, undefined, { flags: frameFlag.remoteOpen }),
      { streamId: 5, type: frameType.data, data: new Uint8Array(maxDataBytes + 1) },
    );
    for (const streamId of [1, 3, 5]) {
      expect(responseOf(await peer.nextOn(streamId)).code).toBe(Code.ResourceExhausted);
    }
    await expectWorking(peer, 7);
    await expectNothingLeft(server);
  });

  test("a message that is none of its type, in a request and in data", async () => {
    await using server = await serveTtrpc(watched().routes);
    using peer = await connectRaw(server.path);
    const noMessage = Uint8Array.of(0x0a, 0xff);
    const { data = noMessage, ...request } = requestFrame(1, echo, undefined);
    peer.send(
      { ...request, data: Buffer.concat([data, Uint8Array.of(0x1a, 0x02), noMessage]) },
      requestFrame(3, collect, undefined, { flags: frameFlag.remoteOpen }),
      { streamId: 3, type: frameType.data, data: noMessage },
    );
    expect(responseOf(await peer.nextOn(1)).code).toBe(Code.InvalidArgument);
    expect(responseOf(await peer.nextOn(3)).code).toBe(Code.InvalidArgument);
    await expectWorking(peer, 5);
  });

  test("data for a unary call", async () => {
    const { seen, routes } = watched();
    await using server = await serveTtrpc(routes);
    using peer = await connectRaw(server.path);
    peer.send(requestFrame(1, hang, {}), dataFrame(1, hang, {}));
    expect(responseOf(await peer.nextOn(1)).code).toBe(Code.InvalidArgument);
    await vi.waitFor(() => expect(seen.running).toBe(0));
    await expectWorking(peer, 3);
  });

  test("more calls at a time than allowed", async () => {
    const { seen, routes } = watched();
    await using server = await serveTtrpc(routes);
    using peer = await connectRaw(server.path);
    const ids = Array.from({ length: maxConcurrentCalls + 1 }, (_, index) => 2 * index + 1);
    peer.send(...ids.map((id) => requestFrame(id, hang, {}, { extended: true })));
    const last = 2 * maxConcurrentCalls + 1;
    expect(responseOf(await peer.nextOn(last)).code).toBe(Code.ResourceExhausted);
    expect(seen.running).toBe(maxConcurrentCalls);
    peer.send({ streamId: 1, type: frameType.cancel });
    await expectWorking(peer, last + 2);
    peer.socket.destroy();
    await vi.waitFor(() => expect(seen.running).toBe(0));
    await expectNothingLeft(server);
  });

  test.each([
    ["that do not heed their signal", hang, frameFlag.none],
    ["whose finally blocks take long", produce, frameFlag.remoteClosed],
  ])("calls that are cancelled at once, and leave handlers behind %s", async (_what, method, flags) => {
    let running = 0;
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await using server = await serveTtrpc((router) => {
      router.rpc(echo, ({ text, data }) => ({ text, data }));
      router.rpc(hang, async () => {
        running += 1;
        await released;
        running -= 1;
        return {};
      });
      router.rpc(produce, async function* () {
        running += 1;
        try {
          // After the first, the window is closed.
          yield { data: new Uint8Array(initialWindowBytes) };
          yield {};
        } finally {
          await released;
          running -= 1;
        }
      });
    });
    using peer = await connectRaw(server.path);
    const most = 2 * maxConcurrentCalls;
    for (let streamId = 1; streamId <= 2 * most; streamId += 2) {
      peer.send(requestFrame(streamId, method, {}, { flags, extended: true }));
      // It runs before it is cancelled.
      await vi.waitFor(() => expect(running).toBe((streamId + 1) / 2), { interval: 1 });
      peer.send({ streamId, type: frameType.cancel });
    }
    const next = 2 * most + 1;
    peer.send(requestFrame(next, method, {}, { flags, extended: true }));
    expect(responseOf(await peer.nextOn(next)).code).toBe(Code.ResourceExhausted);
    expect(running).toBe(most);
    release();
    await vi.waitFor(() => expect(running).toBe(0));
    await expectWorking(peer, next + 2);
    await expectNothingLeft(server);
  });
});

describe("what needs no response is ignored", () => {
  test.each([
    ["data on a finished stream", { streamId: 1, type: frameType.data, data: new Uint8Array(9) }],
    ["data that is too long on a finished stream", { streamId: 1, type: frameType.data, length: 5_000_000 }],
    ["cancellation of a finished stream", { streamId: 1, type: frameType.cancel }],
    ["cancellation of a stream that was never opened", { streamId: 99, type: frameType.cancel }],
    ["a window for a stream that was never opened", { streamId: 99, type: frameType.window, data: uint32Bytes(9) }],
    ["a window without a number", { streamId: 1, type: frameType.window }],
    ["a response", { streamId: 1, type: frameType.response }],
    ["a frame of a type that no one knows", { streamId: 1, type: 0x7f, data: new Uint8Array(100) }],
    ["a ping that is too short", { streamId: 0, type: frameType.ping, data: new Uint8Array(7) }],
    ["the reply to a ping", { streamId: 0, type: frameType.ping, flags: 1, data: new Uint8Array(8) }],
  ])("%s", async (_what, frame: { streamId: number; type: number; length?: number; data?: Uint8Array }) => {
    await using server = await serveTtrpc(watched().routes);
    using peer = await connectRaw(server.path);
    await expectWorking(peer, 1);
    peer.send({ ...frame, ...(frame.length && { data: new Uint8Array(frame.length) }) });
    peer.send(requestFrame(3, echo, {}));
    // The next that comes is no reply to the frame.
    expect((await peer.next())?.streamId).toBe(3);
    await expectNothingLeft(server);
  });

  test("data after the stream's end, and what comes after a cancellation", async () => {
    await using server = await serveTtrpc(watched().routes);
    using peer = await connectRaw(server.path);
    peer.send(
      requestFrame(1, collect, undefined, { flags: frameFlag.remoteOpen, extended: true }),
      dataFrame(1, collect, {}),
      endFrame(1),
      dataFrame(1, collect, {}),
      requestFrame(3, converse, undefined, { flags: frameFlag.remoteOpen, extended: true }),
      { streamId: 3, type: frameType.cancel },
      dataFrame(3, converse, {}),
      { streamId: 3, type: frameType.cancel },
    );
    const { payload } = responseOf(await peer.nextOn(1));
    expect([...payload]).toEqual([0x08, 1]);
    peer.send(requestFrame(5, echo, {}));
    expect((await peer.next())?.streamId).toBe(5);
    await expectNothingLeft(server);
  });
});

describe("however a connection ends, its calls do", () => {
  const script = [
    requestFrame(1, collect, undefined, { flags: frameFlag.remoteOpen, extended: true }),
    dataFrame(1, collect, { id: "one" }),
    requestFrame(3, hang, { id: "two" }, { timeoutMs: 60_000 }),
    { streamId: 0, type: frameType.ping, data: new Uint8Array(8) },
    requestFrame(5, converse, undefined, { flags: frameFlag.remoteOpen }),
    endFrame(5),
  ];
  const bytes = Buffer.concat(script.map(encodeFrame));

  test("dropped after each possible byte", async () => {
    const { seen, routes } = watched();
    await using server = await serveTtrpc(routes);
    for (let length = 0; length <= bytes.byteLength; length++) {
      using peer = await connectRaw(server.path);
      peer.socket.end(bytes.subarray(0, length));
      // The server closes its half, too.
      while ((await peer.next()) !== undefined) {}
    }
    await vi.waitFor(() => expect(seen.running).toBe(0));
    expect(server.connections.length).toBe(bytes.byteLength + 1);
    await expectNothingLeft(server);
    using client = connectTtrpc(server.path);
    await client.plain.unary(echo, undefined, undefined, undefined, {});
  });

  test("by a byte that is no ttrpc, and another connection goes on", async () => {
    const { seen, routes } = watched();
    await using server = await serveTtrpc(routes);
    using other = await connectRaw(server.path);
    using peer = await connectRaw(server.path);
    peer.send(...script.slice(0, 4));
    await vi.waitFor(() => expect(seen.running).toBe(1));
    peer.socket.write("GET / HTTP/1.1\r\n\r\n");
    while ((await peer.next()) !== undefined) {}
    await vi.waitFor(() => expect(seen.running).toBe(0));
    await expectWorking(other, 1);
    await expectNothingLeft(server);
  });

  test("arbitrary bytes, cut anyhow, neither crash nor hang the server", async () => {
    const { seen, routes } = watched();
    await using server = await serveTtrpc(routes);
    const anyFrame = fc
      .record({
        streamId: fc.oneof(fc.nat({ max: 9 }), fc.nat({ max: 0xffffffff })),
        type: fc.oneof(fc.constantFrom(...Object.values(frameType)), fc.nat({ max: 255 })),
        flags: fc.nat({ max: 7 }),
        data: fc.uint8Array({ maxLength: 20 }),
      })
      .map(encodeFrame);
    const known = fc.constantFrom(...script.map(encodeFrame));
    const parts = fc.array(fc.oneof(anyFrame, known, fc.uint8Array({ maxLength: 12 })), { maxLength: 12 });
    const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(parts, places, async (sent, cuts) => {
        using peer = await connectRaw(server.path);
        for (const chunk of cutAt(Buffer.concat(sent), cuts)) {
          peer.socket.write(chunk);
        }
        peer.socket.end();
        while ((await peer.next()) !== undefined) {}
      }),
      { numRuns: 200 },
    );
    await vi.waitFor(() => expect(seen.running).toBe(0));
    await expectNothingLeft(server);
    using peer = await connectRaw(server.path);
    await expectWorking(peer, 1);
  });
});

describe("what a client can make the server hold is bounded", () => {
  const mib = 1024 * 1024;

  test("a million tiny frames leave nothing behind", async () => {
    await using server = await serveTtrpc(watched().routes);
    using peer = await connectRaw(server.path);
    const flood = Buffer.alloc(1_000_000 * headerBytes, encodeFrame({ streamId: 1, type: 0x7f }));
    const messages = Buffer.alloc(1_000_000 * headerBytes, encodeFrame({ streamId: 1, type: frameType.data }));
    peer.send(requestFrame(1, collect, undefined, { flags: frameFlag.remoteOpen }));
    peer.socket.write(flood);
    peer.socket.write(messages);
    peer.send(endFrame(1));
    const { code, payload } = responseOf(await peer.nextOn(1));
    expect([code, [...payload]]).toEqual([0, [0x08, 0xc0, 0x84, 0x3d]]);
    await expectWorking(peer, 3);
    await expectNothingLeft(server);
  });

  test("one that never sends window gets the first one and a message, and holds up no one", async () => {
    const { seen, routes } = watched();
    await using server = await serveTtrpc(routes);
    using peer = await connectRaw(server.path);
    const size = 1000;
    peer.send(requestFrame(1, produce, { count: 0, size }, { flags: frameFlag.remoteClosed, extended: true }));
    let bytes = 0;
    while (bytes < initialWindowBytes) {
      const { data } = await peer.nextOn(1);
      bytes += headerBytes + (data?.byteLength ?? 0);
    }
    await expectWorking(peer, 3);
    expect(bytes).toBeLessThanOrEqual(initialWindowBytes + headerBytes + size + 10);
    expect(seen.produced).toBeLessThan(initialWindowBytes / size + 2);
    peer.send({ streamId: 1, type: frameType.cancel });
    await vi.waitFor(() => expect(seen.running).toBe(0));
    await expectNothingLeft(server);
  });

  test("a handler that does not read its stream stops the one who ignores windows", async () => {
    const { seen, routes } = watched();
    await using server = await serveTtrpc(routes);
    using peer = await connectRaw(server.path);
    const message = dataFrame(1, converse, { text: "x".repeat(60_000) });
    peer.send(requestFrame(1, converse, undefined, { flags: frameFlag.remoteOpen, extended: true }));
    peer.send(...Array.from({ length: 100 }, () => message));
    expect(responseOf(await peer.nextOn(1)).code).toBe(Code.ResourceExhausted);
    await vi.waitFor(() => expect(seen.running).toBe(0));
    await expectWorking(peer, 3);
    await expectNothingLeft(server);
  });

  test("a handler that does not read its plain stream holds the connection, until its call has ended", async () => {
    const { seen, routes } = watched();
    await using server = await serveTtrpc(routes);
    using peer = await connectRaw(server.path);
    const message = dataFrame(1, converse, { text: "x".repeat(60_000) });
    peer.send(requestFrame(1, converse, undefined, { flags: frameFlag.remoteOpen, timeoutMs: 300 }));
    peer.send(...Array.from({ length: 400 }, () => message));
    expect(responseOf(await peer.nextOn(1)).code).toBe(Code.DeadlineExceeded);
    await vi.waitFor(() => expect(seen.running).toBe(0));
    await expectWorking(peer, 3);
    await expectNothingLeft(server);
  });

  describe("a handler that reads nothing, without a deadline, of a plain stream that holds the connection", () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    /** Lets minutes pass, and what goes on in this process have its turns meanwhile. */
    async function passTimeUntil(done: () => boolean) {
      while (!done()) {
        vi.advanceTimersByTime(1_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }

    async function holdConnection(messages: number) {
      const { seen, routes } = watched();
      const server = await serveTtrpc(routes);
      const peer = await connectRaw(server.path);
      const message = dataFrame(1, converse, { text: "x".repeat(60_000) });
      peer.send(requestFrame(1, converse, undefined, { flags: frameFlag.remoteOpen }));
      peer.send(...Array.from({ length: messages }, () => message));
      await vi.waitFor(() => expect(server.sockets[0]?.isPaused()).toBe(true));
      return { seen, server, peer };
    }

    test("is told when the connection has ended", async () => {
      const { seen, server, peer } = await holdConnection(20);
      await using _server = server;
      peer.socket.destroy();
      await passTimeUntil(() => seen.running === 0);
      await expectNothingLeft(server);
    });

    test("does not keep responses from calls beside it", async () => {
      const { seen, server, peer } = await holdConnection(20);
      await using _server = server;
      let replied = false;
      const working = expectWorking(peer, 3).then(() => {
        replied = true;
      });
      await passTimeUntil(() => replied);
      await working;
      expect(seen.running).toBe(1);
      peer.socket.destroy();
    });

    test("is ended, after minutes, when 16 MiB wait for it", async () => {
      const { seen, server, peer } = await holdConnection(400);
      await using _server = server;
      await passTimeUntil(() => seen.running === 0);
      expect(responseOf(await peer.nextOn(1)).code).toBe(Code.ResourceExhausted);
      await expectWorking(peer, 3);
      peer.socket.destroy();
    });
  });

  test.each([
    ["of pings", { streamId: 0, type: frameType.ping, data: new Uint8Array(8) }],
    ["of requests for methods that do not exist", { streamId: 1, type: frameType.request }],
    ["of data on streams that do not exist", { streamId: 2, type: frameType.data }],
    ["of large requests", requestFrame(1, echo, { data: new Uint8Array(100_000) })],
  ])("one that never reads makes it hold no more than a few MiB of responses to 64 MiB %s", async (_what, frame) => {
    await using server = await serveTtrpc(watched().routes);
    using peer = await connectRaw(server.path);
    peer.socket.pause();
    const growing = frame.streamId === 1;
    let sent = 0;
    let streamId = 1;
    // As long as the server reads.
    const batch = () => {
      const frames = Array.from({ length: Math.ceil(mib / (headerBytes + (frame.data?.byteLength ?? 0))) }, () => {
        const id = growing ? streamId : frame.streamId;
        streamId += 2;
        return encodeFrame({ ...frame, streamId: id });
      });
      return Buffer.concat(frames);
    };
    while (sent < 64 * mib) {
      const bytes = batch();
      sent += bytes.byteLength;
      if (!peer.socket.write(bytes) && !(await drainedWhileServerReads(peer))) {
        break;
      }
    }
    expect(server.sockets[0]?.writableLength).toBeLessThan(2 * mib);
    // It gets all its responses, once it reads.
    peer.socket.resume();
    await expectWorking(peer, streamId + 2);
  });

  /** Waits until what was written has left; false if the server has stopped reading. */
  async function drainedWhileServerReads({ socket }: RawPeer): Promise<boolean> {
    let left = -1;
    for (let turns = 0; turns < 200; turns++) {
      if (socket.writableLength === 0) {
        return true;
      }
      // What goes on in this process gets its turn; a peer that still reads does so within a few.
      await new Promise((resolve) => setImmediate(resolve));
      if (socket.writableLength !== left) {
        left = socket.writableLength;
        turns = 0;
      }
    }
    return false;
  }

  test("one that opens streams and never reads stops them all, and they end with it", async () => {
    const { seen, routes } = watched();
    await using server = await serveTtrpc(routes);
    using peer = await connectRaw(server.path);
    peer.socket.pause();
    const size = 10_000;
    const ids = Array.from({ length: maxConcurrentCalls }, (_, index) => 2 * index + 1);
    const flags = frameFlag.remoteClosed;
    peer.send(...ids.map((id) => requestFrame(id, produce, { count: 0, size }, { flags, extended: id % 4 === 1 })));
    await vi.waitFor(() => expect(seen.running).toBe(maxConcurrentCalls));
    let produced = -1;
    while (produced !== seen.produced) {
      produced = seen.produced;
      for (let turn = 0; turn < 50; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    expect(produced * size).toBeLessThan(4 * mib);
    peer.socket.destroy();
    await vi.waitFor(() => expect(seen.running).toBe(0));
    await expectNothingLeft(server);
  });
});

describe("what a handler responds with harms no other stream", () => {
  test.each([5, 17])("if its error says %d MiB", async (size) => {
    await using server = await serveTtrpc((router) => {
      router.rpc(echo, ({ text }) => ({ text }));
      router.rpc(hang, () => {
        throw new ConnectError("x".repeat(size * 1024 * 1024), Code.Aborted);
      });
    });
    using client = connectTtrpc(server.path);
    const other = client.plain.unary(echo, undefined, undefined, undefined, { text: "still here" });
    const failing = client.plain.unary(hang, undefined, undefined, undefined, {});
    await expect(failing).rejects.toMatchObject({ code: Code.Aborted, rawMessage: "x".repeat(8192) });
    expect((await other).message).toMatchObject({ text: "still here" });
    expect(server.connections.length).toBe(1);
    await client.plain.unary(echo, undefined, undefined, undefined, {});
    expect(server.connections.length).toBe(1);
  });

  test.each([
    ["headers", "a unary call", echo],
    ["headers", "a stream", produce],
    ["trailers", "a unary call", echo],
    ["trailers", "a stream", produce],
  ] as const)("if its %s are 17 MiB, which are left out, on %s", async (where, _kind, method) => {
    await using server = await serveTtrpc((router) => {
      const fill = (header: Headers, trailer: Headers) =>
        (where === "headers" ? header : trailer).set("x-long", "x".repeat(17 * 1024 * 1024));
      router.rpc(echo, (_request, context) => {
        fill(context.responseHeader, context.responseTrailer);
        return {};
      });
      router.rpc(produce, async function* (_request, context) {
        fill(context.responseHeader, context.responseTrailer);
        yield {};
      });
      router.rpc(hang, () => ({}));
    });
    using client = connectTtrpc(server.path);
    const call =
      method.methodKind === "unary"
        ? client.extended.unary(method, undefined, undefined, undefined, {})
        : client.extended
            .stream(method, undefined, undefined, undefined, one())
            .then(({ message }) => Array.fromAsync(message));
    await call;
    await client.plain.unary(hang, undefined, undefined, undefined, {});
    expect(server.connections.length).toBe(1);
    await expectNothingLeft(server);
  });

  async function* one() {
    yield {};
  }
});
