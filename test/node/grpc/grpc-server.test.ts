import { once } from "node:events";
import * as http2 from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { expect, test } from "vitest";
import { encodeEnvelope } from "../../../src/http/wire/envelope.ts";
import type { Routes } from "../../../src/plugin/service-table.ts";
import { BehaviourService, EchoRequestSchema, EchoResponseSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { listenLocally } from "../../support/local-listener.ts";

const { echo, collect, converse, produce } = BehaviourService.method;
const hello = encodeEnvelope(0, toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: "hello" })));

/** What a caller gets, frame by frame as Node tells it. */
interface Received {
  readonly header: http2.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailer: http2.IncomingHttpHeaders;
  readonly rstCode: number;
}

/** A plugin, and a client that sends what it likes. */
async function start(routes: Routes) {
  const listener = await listenLocally(definePlugin({ name: "sample", version: "1.0.0", routes }), "tcp");
  const session = http2.connect(listener.address.replace("tcp:", "http://"));
  await once(session, "connect");
  return {
    session,
    request: (method: string, fields: http2.OutgoingHttpHeaders = {}) =>
      session.request({
        ":method": "POST",
        ":path": `/${BehaviourService.typeName}/${method}`,
        "content-type": "application/grpc",
        te: "trailers",
        ...fields,
      }),
    async [Symbol.asyncDispose]() {
      session.destroy();
      await listener[Symbol.asyncDispose]();
    },
  };
}

async function receive(stream: http2.ClientHttp2Stream): Promise<Received> {
  let header: http2.IncomingHttpHeaders = {};
  let trailer: http2.IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on("response", (fields) => {
    header = fields;
  });
  stream.on("trailers", (fields) => {
    trailer = fields;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(stream, "close");
  return { header, body: Buffer.concat(chunks), trailer, rstCode: stream.rstCode };
}

const echoing: Routes = (router) => router.rpc(echo, ({ text }) => ({ text }));

test("a message may come byte by byte, and leaves in one piece with its header and status", async () => {
  await using peer = await start(echoing);
  const stream = peer.request("Echo");
  const received = receive(stream);
  for (const byte of hello) {
    stream.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  stream.end();
  const { header, body, trailer, rstCode } = await received;
  expect(header).toMatchObject({ ":status": 200, "content-type": "application/grpc+proto" });
  expect(header["x-request-id"]).toBeDefined();
  expect(header["content-security-policy"]).toBeDefined();
  expect(fromBinary(EchoResponseSchema, body.subarray(5)).text).toBe("hello");
  expect(trailer["grpc-status"]).toBe("0");
  expect(rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
});

test.each<[what: string, bytes: Uint8Array, code: Code]>([
  ["no message", Buffer.of(), Code.Unimplemented],
  ["two messages", Buffer.concat([hello, hello]), Code.Unimplemented],
  ["half a prefix", hello.subarray(0, 3), Code.InvalidArgument],
  ["half a message", hello.subarray(0, 8), Code.InvalidArgument],
  ["a message that is none of its type", encodeEnvelope(0, Buffer.of(0xff)), Code.InvalidArgument],
  ["a message that says it has 4 GiB", Buffer.of(0, 0xff, 0xff, 0xff, 0xff), Code.ResourceExhausted],
  ["a compressed message, of a request that is not", Buffer.of(1, 0, 0, 0, 0), Code.Internal],
])("a unary call with %s is told so, and its handler does not run", async (_what, bytes, code) => {
  let ran = false;
  await using peer = await start((router) =>
    router.rpc(echo, () => {
      ran = true;
      return {};
    }),
  );
  const stream = peer.request("Echo");
  const received = receive(stream);
  stream.end(bytes);
  const { header, body, trailer } = await received;
  expect(header[":status"]).toBe(200);
  expect(body.byteLength).toBe(0);
  expect(trailer["grpc-status"]).toBe(String(code));
  expect(ran).toBe(false);
});

test("a message that can't be read ends a stream, and aborts its handler", async () => {
  const aborted = Promise.withResolvers<unknown>();
  await using peer = await start((router) =>
    router.rpc(converse, async function* (requests, { signal }) {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      for await (const { text } of requests) {
        yield { text };
      }
    }),
  );
  const stream = peer.request("Converse");
  const received = receive(stream);
  stream.write(encodeEnvelope(0, Buffer.of()));
  await once(stream, "data");
  stream.write(Buffer.of(0, 0xff, 0xff, 0xff, 0xff));
  const { trailer, rstCode } = await received;
  expect(trailer["grpc-status"]).toBe(String(Code.ResourceExhausted));
  expect(rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  expect(await aborted.promise).toMatchObject({ code: Code.ResourceExhausted });
});

test("a response that is complete closes the stream of a caller that would send on, which is not read any more", async () => {
  await using peer = await start((router) => router.rpc(collect, async () => ({})));
  const stream = peer.request("Collect");
  stream.on("error", () => undefined);
  const received = receive(stream);
  stream.write(encodeEnvelope(0, Buffer.of()));
  const { trailer, rstCode } = await received;
  expect(trailer["grpc-status"]).toBe("0");
  expect(rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  // What is late goes nowhere, and harms no other call.
  const next = peer.request("Collect");
  const response = receive(next);
  next.end();
  expect((await response).trailer["grpc-status"]).toBe("0");
});

test("the handler of a caller that resets its stream is aborted", async () => {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<unknown>();
  await using peer = await start((router) =>
    router.rpc(echo, async (_request, { signal }) => {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      started.resolve();
      await aborted.promise;
      return {};
    }),
  );
  const stream = peer.request("Echo");
  stream.end(hello);
  await started.promise;
  stream.close(http2.constants.NGHTTP2_CANCEL);
  expect(await aborted.promise).toMatchObject({ code: Code.Canceled });
});

test("an error arrives with its code, message, details and metadata, beside what the handler has set", async () => {
  await using peer = await start((router) =>
    router.rpc(echo, (_request, { responseHeader, responseTrailer }) => {
      responseHeader.set("x-early", "a");
      responseTrailer.set("x-late", "b");
      const detail = { desc: EchoResponseSchema, value: { text: "why" } };
      throw new ConnectError("100% wrong", Code.FailedPrecondition, { "x-more": "c" }, [detail]);
    }),
  );
  const stream = peer.request("Echo");
  const received = receive(stream);
  stream.end(hello);
  const { header, trailer } = await received;
  expect(header["x-early"]).toBe("a");
  expect(trailer).toMatchObject({ "grpc-status": "9", "grpc-message": "100%25%20wrong", "x-late": "b", "x-more": "c" });
  expect(trailer["grpc-status-details-bin"]).toBeDefined();
});

test.each(["ABC", "1", "123456789m", "1x", "-1m"])("a timeout of %s is refused", async (timeout) => {
  await using peer = await start(echoing);
  const stream = peer.request("Echo", { "grpc-timeout": timeout });
  const received = receive(stream);
  stream.end(hello);
  expect((await received).trailer["grpc-status"]).toBe(String(Code.InvalidArgument));
});

test("a deadline that passes ends the call, while its handler runs on", async () => {
  const aborted = Promise.withResolvers<unknown>();
  await using peer = await start((router) =>
    router.rpc(echo, async (_request, { signal }) => {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      await aborted.promise;
      return {};
    }),
  );
  const stream = peer.request("Echo", { "grpc-timeout": "50m" });
  const received = receive(stream);
  stream.end(hello);
  expect((await received).trailer["grpc-status"]).toBe(String(Code.DeadlineExceeded));
  expect(await aborted.promise).toMatchObject({ code: Code.DeadlineExceeded });
});

test("a caller that takes nothing holds the handler back, and gets all in the end", async () => {
  let yielded = 0;
  await using peer = await start((router) =>
    router.rpc(produce, async function* ({ count, size }) {
      for (let index = 0; index < count; index++) {
        yielded += 1;
        yield { index, data: new Uint8Array(size) };
      }
    }),
  );
  const stream = peer.request("Produce");
  stream.pause();
  // 200 messages of 16 KiB.
  stream.end(encodeEnvelope(0, Buffer.of(0x10, 200, 1, 0x18, 0x80, 0x80, 1)));
  await once(stream, "response");
  await expect.poll(() => yielded).toBeGreaterThan(0);
  await new Promise((resolve) => peer.session.ping(resolve));
  expect(yielded).toBeLessThan(100);
  const received = receive(stream);
  stream.resume();
  const { body, trailer } = await received;
  expect(body.byteLength).toBeGreaterThan(200 * 16 * 1024);
  expect(trailer["grpc-status"]).toBe("0");
});

test("what is no plain call of gRPC is served all the same: JSON, compressed, for another method, by GET", async () => {
  await using peer = await start(echoing);
  const ask = async (method: string, fields: http2.OutgoingHttpHeaders, bytes: Uint8Array) => {
    const stream = peer.request(method, fields);
    const received = receive(stream);
    stream.end(bytes);
    return received;
  };
  const json = await ask(
    "Echo",
    { "content-type": "application/grpc+json" },
    encodeEnvelope(0, Buffer.from('{"text":"j"}')),
  );
  expect(json.body.subarray(5).toString()).toBe('{"text":"j"}');
  const unknown = await ask("Echo", { "grpc-encoding": "zip" }, hello);
  expect(unknown.trailer["grpc-status"]).toBe(String(Code.Unimplemented));
  const missing = await ask("Missing", {}, hello);
  expect(missing.header["grpc-status"]).toBe(String(Code.Unimplemented));
  const connect = await ask("Echo", { "content-type": "application/json" }, Buffer.from('{"text":"c"}'));
  expect(connect.body.toString()).toBe('{"text":"c"}');
});

test("a response is compressed for a caller that takes it", async () => {
  await using peer = await start(echoing);
  const stream = peer.request("Echo", { "grpc-accept-encoding": "identity,deflate,gzip" });
  const received = receive(stream);
  stream.end(encodeEnvelope(0, toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: "a".repeat(10_000) }))));
  const { header, body } = await received;
  expect(header["grpc-encoding"]).toBe("gzip");
  expect(body[0]).toBe(1);
  expect(body.byteLength).toBeLessThan(1000);
});
