import * as net from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { KeyValueSchema } from "../../../src/gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { socketCarrier } from "../../../src/ttrpc/carriers/socket.ts";
import { createTtrpcClient } from "../../../src/ttrpc/client/client.ts";
import { maxDataBytes } from "../../../src/ttrpc/limits.ts";
import { encodeHeader, encodeResponse, readRequest } from "../../../src/ttrpc/wire/envelope.ts";
import { frameFlag, frameType, headerBytes, uint32Bytes } from "../../../src/ttrpc/wire/frame.ts";
import { initialWindowBytes } from "../../../src/ttrpc/wire/send-window.ts";
import {
  BehaviourService,
  CollectResponseSchema,
  EchoResponseSchema,
  ProduceResponseSchema,
} from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { rejection } from "../../support/rejection.ts";
import { connectTtrpc, listen, maxMessageBytes, serveTtrpc } from "../../support/ttrpc/local-ttrpc.ts";
import type { RawFrame } from "../../support/ttrpc/raw-frames.ts";
import { cutAt, encodeFrame } from "../../support/ttrpc/raw-frames.ts";
import type { RawPeer } from "../../support/ttrpc/raw-peer.ts";
import { rawPeer } from "../../support/ttrpc/raw-peer.ts";

const mib = 1024 * 1024;
const echoed = encodeResponse({ payload: toBinary(EchoResponseSchema, create(EchoResponseSchema, { text: "good" })) });
const produced = toBinary(ProduceResponseSchema, create(ProduceResponseSchema, { index: 7 }));
/** A message of about so many bytes. */
const produce = (size: number) =>
  toBinary(ProduceResponseSchema, create(ProduceResponseSchema, { data: new Uint8Array(size) }));
const collected = encodeResponse({
  payload: toBinary(CollectResponseSchema, create(CollectResponseSchema, { messages: 7 })),
});

const ended = { type: frameType.data, flags: frameFlag.remoteClosed | frameFlag.noData };

/** A server that handles Echo as it should, and does with other requests what it is told to. */
async function misbehave(reply: (peer: RawPeer, streamId: number, method: string) => void | Promise<void>) {
  const peers: RawPeer[] = [];
  const server = await listen((socket) => {
    const peer = rawPeer(socket);
    peers.push(peer);
    void (async () => {
      for (let frame = await peer.next(); frame !== undefined; frame = await peer.next()) {
        const { streamId, type, data } = frame;
        if (type !== frameType.request || data === undefined) {
          continue;
        }
        const { method } = readRequest(data);
        if (method === "Echo") {
          peer.send({ streamId, type: frameType.response, data: echoed });
        } else {
          await reply(peer, streamId, method);
        }
      }
    })();
  });
  const client = connectTtrpc(server.path);
  return {
    peers,
    sockets: client.sockets,
    transport: client.extended,
    plain: createClient(BehaviourService, client.plain),
    extended: createClient(BehaviourService, client.extended),
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("a response that is wrong fails its call, and calls beside it and after it go on", () => {
  const wrong: [string, Omit<RawFrame, "streamId">, Code][] = [
    ["a response that can't be read", { type: frameType.response, data: Uint8Array.of(0x12, 0xff) }, Code.Internal],
    [
      "a message that is none of its type",
      { type: frameType.response, data: encodeResponse({ payload: Uint8Array.of(0xff) }) },
      Code.Internal,
    ],
    [
      "a response over 4 MiB",
      { type: frameType.response, data: new Uint8Array(maxDataBytes + 1) },
      Code.ResourceExhausted,
    ],
    [
      "a message that is longer than the client takes",
      { type: frameType.response, data: encodeResponse({ payload: new Uint8Array(maxMessageBytes + 1) }) },
      Code.ResourceExhausted,
    ],
    ["data for a unary call", { type: frameType.data, data: produced }, Code.Internal],
  ];
  test.each(wrong)("%s", async (_what, frame, code) => {
    await using server = await misbehave((peer, streamId) => peer.send({ streamId, ...frame }));
    const [error, beside] = await Promise.all([rejection(server.plain.hang({})), server.plain.echo({})]);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ code });
    expect([beside.text, (await server.plain.echo({})).text]).toEqual(["good", "good"]);
    expect(server.peers.length).toBe(1);
  });

  const wrongInStream: [string, Omit<RawFrame, "streamId">[], Code][] = [
    ["a message that is none of its type", [{ type: frameType.data, data: Uint8Array.of(0xff) }], Code.Internal],
    ["headers that can't be read", [{ type: frameType.header, data: Uint8Array.of(0x0a, 0xff) }], Code.Internal],
    ["headers twice", [{ type: frameType.header }, { type: frameType.header }], Code.Internal],
    ["headers after a message", [{ type: frameType.data, data: produced }, { type: frameType.header }], Code.Internal],
    ["data over 4 MiB", [{ type: frameType.data, data: new Uint8Array(maxDataBytes + 1) }], Code.ResourceExhausted],
    ["an end that can't be read", [{ type: frameType.response, data: Uint8Array.of(0x12, 0xff) }], Code.Internal],
    [
      "more than the window allows",
      Array.from({ length: 80 }, () => ({ type: frameType.data, data: produce(60_000) })),
      Code.ResourceExhausted,
    ],
  ];
  test.each(wrongInStream)("in a stream: %s", async (_what, frames, code) => {
    await using server = await misbehave((peer, streamId) =>
      peer.send(...frames.map((frame) => ({ streamId, ...frame }))),
    );
    const responses = server.extended.produce({})[Symbol.asyncIterator]();
    // Reads on only when all has come in: before the second of these, the request was sent.
    await server.extended.echo({});
    const beside = await server.extended.echo({});
    const reading = (async () => {
      while ((await responses.next()).done !== true) {}
    })();
    const error = await rejection(reading);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ code });
    expect([beside.text, (await server.extended.echo({})).text]).toEqual(["good", "good"]);
    expect(server.peers.length).toBe(1);
  });
});

test("a stream with a response over 4 MiB is cancelled at the server, which would wait for a window otherwise", async () => {
  const { promise: cancelled, resolve } = Promise.withResolvers<number>();
  await using server = await misbehave(async (peer, streamId) => {
    peer.send({ streamId, type: frameType.data, data: new Uint8Array(maxDataBytes + 1) });
    resolve((await peer.nextOn(streamId)).type);
  });
  expect(await rejection(Array.fromAsync(server.extended.produce({})))).toMatchObject({ code: Code.ResourceExhausted });
  expect(await cancelled).toBe(frameType.cancel);
});

describe("what needs no response is ignored", () => {
  test("frames on streams that are not open, of types that no one knows, and windows beyond all measure", async () => {
    await using server = await misbehave((peer, streamId) => {
      const window = { streamId, type: frameType.window, data: uint32Bytes(0xffffffff) };
      peer.send(
        { streamId: 99, type: frameType.data, data: produced },
        { streamId: 99, type: frameType.response },
        { streamId: 2, type: frameType.response },
        { streamId: 0, type: 0x7f },
        { streamId, type: 0x7f, data: new Uint8Array(100) },
        { streamId, type: frameType.window },
        window,
        window,
        { streamId, type: frameType.response, data: collected },
        { streamId, type: frameType.response, data: Uint8Array.of(0xff) },
      );
    });
    async function* requests() {
      yield {};
    }
    expect(await server.extended.collect(requests())).toMatchObject({ messages: 7 });
    expect((await server.extended.echo({})).text).toBe("good");
    expect(server.peers.length).toBe(1);
  });
});

describe("however the connection ends, its calls do, and the next call gets another connection", () => {
  const replies = (streamId: number) => [
    { streamId, type: frameType.header, data: encodeHeader([create(KeyValueSchema, { key: "x-one", value: "1" })]) },
    { streamId, type: frameType.data, data: produced },
    { streamId, ...ended },
  ];
  const bytesOf = (streamId: number) => Buffer.concat(replies(streamId).map((frame) => encodeFrame(frame)));

  test("dropped after each possible byte of a response", async () => {
    let length = 0;
    await using server = await misbehave((peer, streamId, method) => {
      if (method === "Produce") {
        peer.socket.end(bytesOf(streamId).subarray(0, length));
      }
    });
    const { byteLength } = bytesOf(1);
    for (length = 0; length < byteLength; length++) {
      await server.extended.echo({});
      const received: number[] = [];
      const reading = (async () => {
        for await (const { index } of server.extended.produce({})) {
          received.push(index);
        }
      })();
      const hanging = rejection(server.plain.hang({}));
      const lost = { code: Code.Unavailable, message: expect.stringContaining("the other side has closed it") };
      expect(await rejection(reading)).toMatchObject(lost);
      expect(await hanging).toMatchObject(lost);
      expect(received.length).toBeLessThan(2);
    }
    expect(server.peers.length).toBe(byteLength);
  });

  test("by bytes that are no ttrpc", async () => {
    await using server = await misbehave((peer) => {
      peer.socket.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    const calls = [server.plain.hang({}), Array.fromAsync(server.extended.produce({}))];
    for (const error of await Promise.all(calls.map(rejection))) {
      expect(error).toMatchObject({ code: Code.Unavailable, message: expect.stringContaining("not speak ttrpc") });
    }
    expect((await server.plain.echo({})).text).toBe("good");
    expect(server.peers.length).toBe(2);
  });

  test("arbitrary responses, cut anyhow, leave no call open", async () => {
    const frames = fc.oneof(
      fc.constantFrom(...replies(1), { streamId: 1, type: frameType.response, data: echoed }),
      fc.record({
        streamId: fc.nat({ max: 5 }),
        type: fc.oneof(fc.constantFrom(...Object.values(frameType)), fc.nat({ max: 255 })),
        flags: fc.nat({ max: 7 }),
        data: fc.uint8Array({ maxLength: 20 }),
      }),
    );
    const parts = fc.array(fc.oneof(frames.map(encodeFrame), fc.uint8Array({ maxLength: 12 })), { maxLength: 12 });
    const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });
    let chunks: Uint8Array[] = [];
    await using server = await listen((socket) => {
      socket.once("data", () => {
        for (const chunk of chunks) {
          socket.write(chunk);
        }
        socket.end();
      });
    });
    await fc.assert(
      fc.asyncProperty(parts, places, fc.boolean(), async (sent, cuts, extended) => {
        chunks = cutAt(Buffer.concat(sent), cuts);
        using ttrpc = connectTtrpc(server.path);
        const client = createClient(BehaviourService, extended ? ttrpc.extended : ttrpc.plain);
        async function* requests() {
          yield {};
          yield {};
        }
        await Promise.allSettled([
          Array.fromAsync(client.produce({})),
          Array.fromAsync(client.converse(requests())),
          client.collect(requests()),
        ]);
      }),
      { numRuns: 150 },
    );
  });
});

describe("what a server can make the client hold is bounded", () => {
  test("by pings that it sends without reading the replies", async () => {
    const ping = encodeFrame({ streamId: 0, type: frameType.ping, data: new Uint8Array(8) });
    const pings = Buffer.alloc(8 * mib - ((8 * mib) % ping.byteLength), ping);
    await using server = await misbehave(async (peer, streamId) => {
      peer.socket.pause();
      for (let round = 0; round < 4; round++) {
        await new Promise((resolve) => peer.socket.write(pings, resolve));
      }
      peer.send({ streamId, type: frameType.response });
    });
    await server.extended.hang({});
    expect(server.sockets[0]?.writableLength).toBeLessThan(2 * mib);
  });

  test("by messages that no one reads, on a plain stream, and the others go on once it was given up", async () => {
    let sent = 0;
    await using server = await misbehave(async (peer, streamId) => {
      const frame = encodeFrame({ streamId, type: frameType.data, data: produce(60_000) });
      const send = () => {
        while (sent < 64 * mib) {
          sent += frame.byteLength;
          if (!peer.socket.write(frame)) {
            return;
          }
        }
      };
      peer.socket.on("drain", send);
      send();
    });
    const responses = server.plain.produce({})[Symbol.asyncIterator]();
    await responses.next();
    const beside = server.plain.echo({});
    await vi.waitFor(() => expect(server.sockets[0]?.isPaused()).toBe(true));
    // A peer that still reads does so within a few turns.
    for (let turn = 0, before = -1; turn < 50; turn++) {
      turn = before === sent ? turn : 0;
      before = sent;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sent).toBeLessThan(8 * mib);
    await responses.return?.();
    expect((await beside).text).toBe("good");
  });

  test("a server that never sends window gets the first one and a message", async () => {
    const size = 1000;
    let pulled = 0;
    const replied = Promise.withResolvers<void>();
    await using server = await misbehave(() => replied.resolve());
    const aborting = new AbortController();
    async function* requests() {
      for (;;) {
        pulled += 1;
        yield { data: new Uint8Array(size) };
      }
    }
    const call = rejection(server.extended.collect(requests(), { signal: aborting.signal }));
    await replied.promise;
    let bytes = 0;
    while (bytes < initialWindowBytes) {
      await server.extended.echo({});
      bytes = pulled * (headerBytes + size);
    }
    await server.extended.echo({});
    expect(pulled).toBeLessThanOrEqual(Math.ceil(initialWindowBytes / (headerBytes + size)) + 1);
    aborting.abort();
    expect(await call).toMatchObject({ code: Code.Canceled });
  });
});

describe("a caller whose one request never comes", () => {
  test.each(["deadline", "signal"])(
    "is told at the end of its call, by its %s, and its iterator is ended",
    async (by) => {
      await using server = await misbehave(() => undefined);
      await server.plain.echo({});
      const returned = vi.fn(async () => ({ done: true as const, value: undefined }));
      const next = () => new Promise<never>(() => {});
      const aborting = new AbortController();
      const call = rejection(
        server.transport.stream(
          BehaviourService.method.produce,
          aborting.signal,
          by === "deadline" ? 1 : undefined,
          undefined,
          { [Symbol.asyncIterator]: () => ({ next, return: returned }) },
        ),
      );
      if (by === "signal") {
        aborting.abort();
      }
      expect(await call).toMatchObject({ code: by === "signal" ? Code.Canceled : Code.DeadlineExceeded });
      expect(returned).toHaveBeenCalledOnce();
    },
  );
});

test("a caller whose iterator throws when it is ended keeps no other call from hearing that the connection is lost", async () => {
  await using server = await misbehave((peer, _streamId, method) => {
    if (method === "Hang") {
      peer.socket.destroy();
    }
  });
  const requests = {
    next: () => new Promise<never>(() => {}),
    return: () => {
      throw new Error("the caller's own trouble");
    },
  };
  const collecting = rejection(server.extended.collect({ [Symbol.asyncIterator]: () => requests }));
  const hanging = rejection(server.extended.hang({}));
  expect(await collecting).toMatchObject({ code: Code.Unavailable });
  expect(await hanging).toMatchObject({ code: Code.Unavailable });
});

describe("a caller that gives up", () => {
  test("reading a plain stream that has ended, with much unread, holds up no other call", async () => {
    await using server = await misbehave((peer, streamId) => {
      const message = { streamId, type: frameType.data, data: produce(1.5 * mib) };
      peer.send(message, message, { streamId, ...ended });
    });
    const responses = server.plain.produce({})[Symbol.asyncIterator]();
    // In the same turn as its own end, or later.
    const beside = server.plain.echo({});
    await responses.next().catch(() => undefined);
    await responses.return?.();
    expect((await beside).text).toBe("good");
    expect((await server.plain.echo({})).text).toBe("good");
  });

  test("in the turn in which it calls, ends the call", async () => {
    await using server = await serveTtrpc((router) => {
      router.service(BehaviourService, {
        async *produce() {
          for (;;) {
            yield {};
          }
        },
        hang: (_request, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", reject)),
      });
    });
    using ttrpc = connectTtrpc(server.path);
    const client = createClient(BehaviourService, ttrpc.extended);
    // Once over a connection that has to be opened, then over one that is open.
    for (const _ of [1, 2]) {
      const unary = new AbortController();
      const hanging = rejection(client.hang({}, { signal: unary.signal }));
      unary.abort();
      expect(await hanging).toMatchObject({ code: Code.Canceled });
      const streaming = new AbortController();
      const producing = rejection(Array.fromAsync(client.produce({}, { signal: streaming.signal })));
      streaming.abort();
      expect(await producing).toMatchObject({ code: Code.Canceled });
      expect(await rejection(client.echo({}))).toMatchObject({ code: Code.Unimplemented });
    }
    for (const connection of server.connections) {
      connection.drain();
      await connection.closed;
    }
  });
});

test("a call that waits for a connection ends when its client is closed, and so does what opens the connection", async () => {
  const { promise: asked, resolve } = Promise.withResolvers<AbortSignal>();
  const open = (signal: AbortSignal) => {
    resolve(signal);
    return new Promise<never>(() => {});
  };
  const ttrpc = createTtrpcClient({ open, address: "here", maxMessageBytes });
  const call = rejection(createClient(BehaviourService, ttrpc.plain).echo({}));
  const signal = await asked;
  ttrpc.close(new ConnectError("closed", Code.Unavailable));
  expect(await call).toMatchObject({ rawMessage: "closed", code: Code.Unavailable });
  expect(signal.aborted).toBe(true);
});

test("a client that is closed frees its socket, though the server reads nothing and does not end its half", async () => {
  await using server = await listen((socket) => {
    socket.pause();
  });
  const ttrpc = connectTtrpc(server.path);
  const data = new Uint8Array(mib);
  const call = rejection(createClient(BehaviourService, ttrpc.plain).echo({ data }));
  await vi.waitFor(() => expect(ttrpc.sockets[0]?.writableLength).toBeGreaterThan(0));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    ttrpc.close(new ConnectError("closed", Code.Canceled));
    expect(await call).toMatchObject({ rawMessage: "closed" });
    vi.advanceTimersByTime(5_000);
    expect(ttrpc.sockets[0]?.destroyed).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});

describe("a connection whose stream ids are used up", () => {
  let hanging = 0;
  const routes = (router: ConnectRouter) => {
    hanging = 0;
    router.rpc(BehaviourService.method.echo, () => ({ text: "good" }));
    router.rpc(BehaviourService.method.hang, () => {
      hanging += 1;
      return new Promise<never>(() => {});
    });
  };

  test("is closed with its last call, and the next call gets another one", async () => {
    await using server = await serveTtrpc(routes);
    using ttrpc = connectTtrpc(server.path, { lastStreamId: 3 });
    const client = createClient(BehaviourService, ttrpc.plain);
    const aborting = new AbortController();
    const given = rejection(client.hang({}, { signal: aborting.signal }));
    for (const _ of [1, 2, 3, 4]) {
      expect((await client.echo({})).text).toBe("good");
    }
    expect(server.connections.length).toBe(3);
    await server.connections[1]?.closed;
    aborting.abort();
    await given;
    await server.connections[0]?.closed;
    expect((await client.echo({})).text).toBe("good");
    expect(server.connections.length).toBe(3);
  });

  test("ends with its client, and so do its calls", async () => {
    await using server = await serveTtrpc(routes);
    const ttrpc = connectTtrpc(server.path, { lastStreamId: 1 });
    const client = createClient(BehaviourService, ttrpc.plain);
    const calls = [rejection(client.hang({}))];
    await vi.waitFor(() => expect(hanging).toBe(1));
    calls.push(rejection(client.hang({})));
    await vi.waitFor(() => expect(hanging).toBe(2));
    expect(server.connections.length).toBe(2);
    ttrpc.close(new ConnectError("closed", Code.Canceled));
    for (const call of calls) {
      expect(await call).toMatchObject({ rawMessage: "closed" });
    }
    await Promise.all(server.connections.map(({ closed }) => closed));
  });
});

test("a connection that can't be opened fails the calls that need it, and the next call tries again", async () => {
  await using server = await serveTtrpc((router) => router.rpc(BehaviourService.method.echo, () => ({ text: "good" })));
  const failures = [
    () => {
      throw new ConnectError("thrown", Code.Unavailable);
    },
    () => Promise.reject(new ConnectError("rejected", Code.Unavailable)),
  ];
  const open = () => {
    const fail = failures.shift();
    return fail === undefined ? Promise.resolve(socketCarrier(net.connect(server.path))) : fail();
  };
  const ttrpc = createTtrpcClient({ open, address: "here", maxMessageBytes });
  const client = createClient(BehaviourService, ttrpc.plain);
  expect(await rejection(client.echo({}))).toMatchObject({ rawMessage: "thrown" });
  expect(await rejection(client.echo({}))).toMatchObject({ rawMessage: "rejected" });
  expect((await client.echo({})).text).toBe("good");
  ttrpc.close(new ConnectError("the test is over", Code.Canceled));
});
