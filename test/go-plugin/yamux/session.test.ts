import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import type { FrameHeader } from "../../../src/go-plugin/yamux/frame.ts";
import {
  createFrameDecoder,
  encodeHeader,
  frameFlag,
  frameType,
  goAwayReason,
  initialWindow,
} from "../../../src/go-plugin/yamux/frame.ts";
import type { YamuxOptions, YamuxSession } from "../../../src/go-plugin/yamux/session.ts";
import { createYamuxSession } from "../../../src/go-plugin/yamux/session.ts";

const directory = mkdtempSync(join(tmpdir(), "yamux-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) {
    await close();
  }
});

/** A socket, and its other end. */
async function socketPair(): Promise<readonly [net.Socket, net.Socket]> {
  const path = join(directory, "s.sock");
  const server = net.createServer().listen(path);
  await once(server, "listening");
  const ours = net.connect(path);
  const [theirs] = (await once(server, "connection")) as [net.Socket];
  server.close();
  closers.push(
    () => ours.destroy(),
    () => theirs.destroy(),
  );
  ours.on("error", () => undefined);
  theirs.on("error", () => undefined);
  return [ours, theirs];
}

/** A session that someone else talks to by hand. */
async function rawPeer(options: Partial<YamuxOptions> = {}) {
  const [carrier, raw] = await socketPair();
  const streams: Duplex[] = [];
  const session = createYamuxSession(carrier, { role: "server", onStream: (each) => streams.push(each), ...options });
  closers.push(() => session.close());
  const heard: (FrameHeader & { data?: string })[] = [];
  const decode = createFrameDecoder({
    header: (header) => heard.push(header),
    data(bytes) {
      const last = heard.at(-1);
      if (last !== undefined) {
        last.data = (last.data ?? "") + bytes.toString("latin1");
      }
    },
  });
  raw.on("data", decode);
  const send = (type: number, flags: number, streamId: number, length: number, data: string | Buffer = "") =>
    raw.write(Buffer.concat([encodeHeader(type, flags, streamId, length), Buffer.from(data)]));
  const goAways = () => heard.filter(({ type }) => type === frameType.goAway).map(({ length }) => length);
  return { session, streams, heard, raw, send, goAways };
}

/** Two sessions with each other. */
async function sessionPair(): Promise<{ client: YamuxSession; server: YamuxSession; accepted: Duplex[] }> {
  const [ours, theirs] = await socketPair();
  const accepted: Duplex[] = [];
  const client = createYamuxSession(ours, { role: "client", onStream: (stream) => accepted.push(stream) });
  const server = createYamuxSession(theirs, { role: "server", onStream: (stream) => accepted.push(stream) });
  closers.push(
    () => client.close(),
    () => server.close(),
  );
  return { client, server, accepted };
}

const { data, windowUpdate, ping, goAway } = frameType;
const { syn, ack, fin, rst } = frameFlag;

test("a stream is opened, acknowledged and ended as Go's is, frame by frame", async () => {
  const { heard, send, streams, session } = await rawPeer();
  send(windowUpdate, syn, 1, 0);
  send(data, 0, 1, 5, "hello");
  send(windowUpdate, fin, 1, 0);
  await vi.waitFor(() => expect(streams).toHaveLength(1));
  const [stream] = streams;
  expect(await text(stream as Duplex)).toBe("hello");
  stream?.end("bye");
  await vi.waitFor(() => expect(heard).toHaveLength(3));
  session.openStream().write("first");
  await vi.waitFor(() => expect(heard).toHaveLength(5));
  expect(heard).toEqual([
    { version: 0, type: windowUpdate, flags: ack, streamId: 1, length: 0 },
    { version: 0, type: data, flags: 0, streamId: 1, length: 3, data: "bye" },
    { version: 0, type: windowUpdate, flags: fin, streamId: 1, length: 0 },
    { version: 0, type: windowUpdate, flags: syn, streamId: 2, length: 0 },
    { version: 0, type: data, flags: 0, streamId: 2, length: 5, data: "first" },
  ]);
});

test("flags that come together, and with data, are all heeded", async () => {
  const { send, streams } = await rawPeer();
  send(data, syn | fin, 7, 2, "hi");
  await vi.waitFor(() => expect(streams).toHaveLength(1));
  expect(await text(streams[0] as Duplex)).toBe("hi");
});

test("each direction of a stream ends by itself", async () => {
  const { client, accepted } = await sessionPair();
  const stream = client.openStream();
  stream.end("question");
  await vi.waitFor(() => expect(accepted).toHaveLength(1));
  expect(await text(accepted[0] as Duplex)).toBe("question");
  accepted[0]?.end("response");
  expect(await text(stream)).toBe("response");
});

test("a stream whose reader does not read holds back its writer, and no other stream", async () => {
  const { client, accepted } = await sessionPair();
  const stuck = client.openStream();
  const bytes = Buffer.alloc(2 * initialWindow, 1);
  stuck.write(bytes);
  const other = client.openStream();
  other.end("free");
  await vi.waitFor(() => expect(accepted).toHaveLength(2));
  expect(await text(accepted[1] as Duplex)).toBe("free");
  await vi.waitFor(() => expect(accepted[0]?.readableLength).toBe(initialWindow));
  expect(stuck.writableNeedDrain).toBe(true);
  let read = 0;
  accepted[0]?.on("data", (chunk: Buffer) => {
    read += chunk.byteLength;
  });
  await once(stuck, "drain");
  await vi.waitFor(() => expect(read).toBe(bytes.byteLength));
});

test("a stream that is destroyed with an error, or before its data has left, is broken off", async () => {
  const { client, accepted } = await sessionPair();
  const failing = client.openStream();
  const stuck = client.openStream();
  stuck.write(Buffer.alloc(2 * initialWindow));
  await vi.waitFor(() => expect(accepted).toHaveLength(2));
  const errors = accepted.map(async (stream) => (await once(stream, "error"))[0]);
  failing.destroy(new Error("no more"));
  stuck.destroy();
  expect(await Promise.all(errors)).toMatchObject([{ code: "ECONNRESET" }, { code: "ECONNRESET" }]);
});

test("a stream that is destroyed with nothing left to send has ended well", async () => {
  const { client, accepted } = await sessionPair();
  const stream = client.openStream();
  stream.write("all");
  await vi.waitFor(() => expect(accepted).toHaveLength(1));
  stream.destroy();
  expect(await text(accepted[0] as Duplex)).toBe("all");
});

test("a ping gets a reply with its own value", async () => {
  const { heard, send } = await rawPeer();
  send(ping, syn, 0, 0xdead_beef);
  await vi.waitFor(() =>
    expect(heard).toEqual([{ version: 0, type: ping, flags: ack, streamId: 0, length: 0xdead_beef }]),
  );
});

test("after the other side has gone away no stream is opened, but those that are open go on", async () => {
  const { session, send, heard, streams } = await rawPeer();
  send(windowUpdate, syn, 1, 0);
  send(goAway, 0, 0, goAwayReason.normal);
  send(ping, syn, 0, 1);
  await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ type: ping }));
  expect(() => session.openStream()).toThrow("takes no more streams");
  send(data, fin, 1, 4, "more");
  expect(await text(streams[0] as Duplex)).toBe("more");
});

test("with its connection all streams of a session end", async () => {
  const { session, raw, send, streams } = await rawPeer();
  send(windowUpdate, syn, 1, 0);
  await vi.waitFor(() => expect(streams).toHaveLength(1));
  const own = session.openStream();
  const errors = [own, streams[0] as Duplex].map(async (stream) => (await once(stream, "error"))[0]);
  raw.end();
  expect(await Promise.all(errors)).toMatchObject([{ code: "ECONNRESET" }, { code: "ECONNRESET" }]);
  expect(() => session.openStream()).toThrow("has ended the connection");
});

test("closing a session says go away, and ends its connection and every stream", async () => {
  const { client, server, accepted } = await sessionPair();
  const stream = client.openStream();
  await vi.waitFor(() => expect(accepted).toHaveLength(1));
  await client.close();
  expect(stream.destroyed).toBe(true);
  await vi.waitFor(() => expect(accepted[0]?.destroyed).toBe(true));
  expect(await client.ended).toBeUndefined();
  expect(await server.ended).toBeInstanceOf(Error);
  expect(() => client.openStream()).toThrow("was closed");
});

test("more streams than are allowed are refused one by one", async () => {
  const { send, heard, streams } = await rawPeer({ maxStreams: 2 });
  for (const id of [1, 3, 5]) {
    send(windowUpdate, syn, id, 0);
  }
  await vi.waitFor(() => expect(heard).toHaveLength(3));
  expect(heard.map(({ flags, streamId }) => ({ flags, streamId }))).toEqual([
    { flags: ack, streamId: 1 },
    { flags: ack, streamId: 3 },
    { flags: rst, streamId: 5 },
  ]);
  streams[0]?.destroy();
  send(windowUpdate, syn, 7, 0);
  await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ flags: ack, streamId: 7 }));
});

describe("a peer that breaks the protocol loses the session:", () => {
  test.each<[string, ...Parameters<typeof encodeHeader>[]]>([
    ["more data than the window allows", [windowUpdate, syn, 1, 0], [data, 0, 1, initialWindow + 1]],
    ["4 GiB of data", [windowUpdate, syn, 1, 0], [data, 0, 1, 0xffff_ffff]],
    ["a window beyond 32 bits", [windowUpdate, syn, 1, 0xffff_ffff]],
    ["a stream opened twice", [windowUpdate, syn, 1, 0], [windowUpdate, syn, 1, 0]],
    ["a stream opened with an id of the other side", [windowUpdate, syn, 2, 0]],
    ["stream 0", [windowUpdate, syn, 0, 0]],
    ["a stream ended twice", [windowUpdate, syn | fin, 1, 0], [windowUpdate, fin, 1, 0]],
    ["data after the end", [windowUpdate, syn | fin, 1, 0], [data, 0, 1, 1]],
    ["an unknown type", [4, 0, 0, 0]],
    ["an error of its own", [goAway, 0, 0, goAwayReason.protocolError]],
  ])("%s", async (_what, ...frames) => {
    const { send, goAways, session, raw } = await rawPeer();
    const closed = once(raw, "close");
    for (const frame of frames) {
      send(...frame);
    }
    expect(await session.ended).toBeInstanceOf(Error);
    await closed;
    expect(goAways()).toEqual([goAwayReason.protocolError]);
  });

  test("another version", async () => {
    const { raw, session, goAways } = await rawPeer();
    const closed = once(raw, "close");
    raw.write("PRI * HTTP/2.0\r\n\r\n");
    expect(await session.ended).toMatchObject({ message: expect.stringContaining("not speak yamux") });
    await closed;
    expect(goAways()).toEqual([goAwayReason.protocolError]);
  });
});

test("frames for streams that are not known are passed over", async () => {
  const { send, heard, streams } = await rawPeer();
  send(data, 0, 9, 4, "what");
  send(windowUpdate, fin, 9, 0);
  send(windowUpdate, rst, 11, 0);
  send(windowUpdate, syn, 1, 0);
  send(data, fin, 1, 2, "ok");
  await vi.waitFor(() => expect(streams).toHaveLength(1));
  expect(await text(streams[0] as Duplex)).toBe("ok");
  expect(heard).toMatchObject([{ flags: ack, streamId: 1 }]);
});

test("a side that asks for responses and does not read them is cut off", async () => {
  const { session, raw } = await rawPeer();
  raw.pause();
  const pings = Buffer.concat(Array.from({ length: 5_000 }, () => encodeHeader(ping, syn, 0, 1)));
  let over = false;
  void session.ended.then(() => {
    over = true;
  });
  while (!over && !raw.destroyed) {
    if (!raw.write(pings)) {
      await Promise.race([once(raw, "drain"), session.ended]);
    }
  }
  expect(await session.ended).toMatchObject({ message: expect.stringContaining("does not read") });
});

test("arbitrary frames end a session at worst, and never hang or crash it", async () => {
  const header = fc.tuple(
    fc.integer({ min: 0, max: 4 }),
    fc.integer({ min: 0, max: 15 }),
    fc.integer({ min: 0, max: 5 }),
    fc.oneof(fc.nat(20), fc.constant(initialWindow), fc.integer({ min: 0, max: 0xffff_ffff })),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(header, fc.uint8Array({ maxLength: 20 })), { maxLength: 20 }),
      async (frames) => {
        const { send, raw, session, streams } = await rawPeer({
          onStream: (stream) => stream.on("data", () => undefined).write("hello"),
        });
        for (const [[type, flags, id, length], bytes] of frames) {
          send(type, flags, id, length, Buffer.from(bytes));
        }
        raw.end();
        await session.ended;
        await vi.waitFor(() => expect(raw.destroyed).toBe(true));
        expect(streams.every(({ destroyed }) => destroyed)).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

test("a reader that is late and then takes all at once gets the rest, too", async () => {
  const [ours, theirs] = await socketPair();
  const incoming = Promise.withResolvers<Duplex>();
  const client = createYamuxSession(ours, { role: "client", onStream: (each) => each.destroy() });
  const server = createYamuxSession(theirs, { role: "server", onStream: incoming.resolve });
  closers.push(
    () => client.close(),
    () => server.close(),
  );
  client.openStream().end(Buffer.alloc(4 * initialWindow));
  const stream = await incoming.promise;
  await vi.waitFor(() => expect(stream.readableLength).toBe(initialWindow));
  let taken = 0;
  stream.on("readable", () => {
    taken += stream.read()?.byteLength ?? 0;
  });
  await vi.waitFor(() => expect(taken).toBe(4 * initialWindow));
});
