import * as http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { encodeEnvelope } from "../../../../src/http/wire/envelope.ts";
import { BehaviourService, EchoResponseSchema } from "../../../gen/plugboard/test/v1/behaviour_pb.ts";
import { startRpcServer } from "../../../support/local-server.ts";
import type { RawRequest } from "../../../support/raw-http2-server.ts";
import { startRawHttp2Server } from "../../../support/raw-http2-server.ts";

const hi = encodeEnvelope(0, toBinary(EchoResponseSchema, create(EchoResponseSchema, { text: "hi" })));
const head = { ":status": "200", "content-type": "application/grpc" };
const ok = { "grpc-status": "0" };
const last = { endStream: true };

const send = (request: RawRequest, bytes: Uint8Array, flags = 0) => request.send(0, flags, bytes);

/** A client of a server that treats each request but the first, for discovery, as given. */
async function start(respond: (request: RawRequest) => void, maxMessageBytes = 1024) {
  const server = await startRawHttp2Server((request) => {
    if (request.index === 0) {
      request.respond({ ...head, "grpc-status": "12" }, last);
    } else {
      respond(request);
    }
  });
  const connection = await connect(server.address, { require: { protocols: ["grpc"] }, maxMessageBytes });
  return {
    client: connection.client(BehaviourService),
    async [Symbol.asyncDispose]() {
      await connection.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Responses that say something wrong, and what is told of each: by a unary call, and by a stream. */
const broken: [what: string, respond: (request: RawRequest) => void, unary: object, stream: object][] = [
  [
    "headers alone with an error",
    (request) => request.respond({ ...head, "grpc-status": "5", "grpc-message": "no%20such" }, last),
    { code: Code.NotFound, rawMessage: "no such" },
    { code: Code.NotFound, rawMessage: "no such" },
  ],
  [
    "headers alone without a status",
    (request) => request.respond(head, last),
    { code: Code.Internal, rawMessage: "protocol error: missing status" },
    { code: Code.Internal, rawMessage: "protocol error: missing status" },
  ],
  [
    "an HTTP status of a proxy, and a page",
    (request) => {
      request.respond({ ":status": "503", "content-type": "text/html" });
      send(request, Buffer.from("<html>busy</html>"), 1);
    },
    { code: Code.Unavailable, rawMessage: "HTTP 503" },
    { code: Code.Unavailable, rawMessage: "HTTP 503" },
  ],
  [
    "another content type",
    (request) => {
      request.respond({ ":status": "200", "content-type": "application/json" });
      send(request, Buffer.from("{}"), 1);
    },
    { code: Code.Unknown },
    { code: Code.Unknown },
  ],
  [
    "a message that is cut off, and a good status",
    (request) => {
      request.respond(head);
      send(request, hi.subarray(0, 7));
      request.respond(ok, last);
    },
    { code: Code.Internal, rawMessage: "protocol error: incomplete envelope" },
    { code: Code.Internal, rawMessage: "protocol error: incomplete envelope" },
  ],
  [
    "a message that says it is longer than the caller takes",
    (request) => {
      request.respond(head);
      send(request, Buffer.of(0, 0, 0, 4, 1));
    },
    { code: Code.ResourceExhausted },
    { code: Code.ResourceExhausted },
  ],
  [
    "a compressed message",
    (request) => {
      request.respond(head);
      send(request, Buffer.of(1, 0, 0, 0, 0));
    },
    { code: Code.Internal },
    { code: Code.Internal },
  ],
  [
    "a message that is none of its type",
    (request) => {
      request.respond(head);
      send(request, encodeEnvelope(0, Buffer.of(0xff, 0xff)));
      request.respond(ok, last);
    },
    { code: Code.Internal },
    { code: Code.Internal },
  ],
  [
    "no end of the stream's data, and no trailers",
    (request) => {
      request.respond(head);
      send(request, hi, 1);
    },
    { code: Code.Internal, rawMessage: "protocol error: missing status" },
    { code: Code.Internal, rawMessage: "protocol error: missing status" },
  ],
];

test.each(broken)("a response is told for what it is: %s", async (_what, respond, unary, stream) => {
  await using peer = await start(respond);
  await expect(peer.client.echo({})).rejects.toMatchObject(unary);
  await expect(Array.fromAsync(peer.client.produce({}))).rejects.toMatchObject(stream);
});

test.each<[string, (request: RawRequest) => void, object]>([
  [
    "no message and a good status",
    (request) => {
      request.respond(head);
      request.respond(ok, last);
    },
    { code: Code.Unimplemented },
  ],
  [
    "two messages",
    (request) => {
      request.respond(head);
      send(request, Buffer.concat([hi, hi]));
      request.respond(ok, last);
    },
    { code: Code.Unimplemented },
  ],
  [
    "a message, and a status in the headers before it",
    (request) => {
      request.respond({ ...head, "grpc-status": "7" });
      send(request, hi, 1);
    },
    { code: Code.Unknown },
  ],
])("a unary call fails whose response has %s", async (_what, respond, error) => {
  await using peer = await start(respond);
  await expect(peer.client.echo({})).rejects.toMatchObject(error);
});

test("an error's message that is not percent-encoded is told as it is", async () => {
  await using peer = await start((request) =>
    request.respond({ ...head, "grpc-status": "9", "grpc-message": "only 100% will do" }, last),
  );
  const error = { code: Code.FailedPrecondition, rawMessage: "only 100% will do" };
  await expect(peer.client.echo({})).rejects.toMatchObject(error);
  await expect(Array.fromAsync(peer.client.produce({}))).rejects.toMatchObject(error);
});

test("messages may come byte by byte, and what comes after the trailers is nothing", async () => {
  await using peer = await start((request) => {
    request.respond(head);
    for (const byte of hi) {
      send(request, Buffer.of(byte));
    }
    request.respond(ok, last);
    request.reset(http2.constants.NGHTTP2_CANCEL);
  });
  await expect(peer.client.echo({})).resolves.toMatchObject({ text: "hi" });
  await expect(Array.fromAsync(peer.client.produce({}))).resolves.toHaveLength(1);
});

test("headers and trailers are handed over", async () => {
  await using peer = await start((request) => {
    request.respond({ ...head, "x-early": "a" });
    send(request, hi);
    request.respond({ ...ok, "x-late": "b" }, last);
  });
  const seen: (string | null)[] = [];
  const options = {
    onHeader: (header: Headers) => seen.push(header.get("x-early")),
    onTrailer: (trailer: Headers) => seen.push(trailer.get("x-late")),
  };
  await peer.client.echo({}, options);
  await Array.fromAsync(peer.client.produce({}, options));
  expect(seen).toEqual(["a", "b", "a", "b"]);
});

/** A server of gRPC as Node has it, which tells how each stream was closed. */
async function startNative(respond: (stream: http2.ServerHttp2Stream) => void) {
  const closed: number[] = [];
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream, { ":path": path }) => {
    stream.on("error", () => undefined);
    if (path?.endsWith("/Describe")) {
      stream.respond({ ...head, "grpc-status": "12" }, last);
      return;
    }
    stream.once("close", () => closed.push(stream.rstCode));
    stream.resume();
    respond(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const connection = await connect(`tcp:127.0.0.1:${port}`, { require: { protocols: ["grpc"] } });
  return {
    client: connection.client(BehaviourService),
    closed,
    async [Symbol.asyncDispose]() {
      await connection.close();
      for (const session of sessions) {
        session.destroy();
      }
      server.close();
    },
  };
}

test("a server that has responded is sent no more, and the caller's messages end", async () => {
  await using peer = await startNative((stream) => {
    stream.respond({ ...head }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(ok));
    stream.end(hi);
  });
  const returned = Promise.withResolvers<void>();
  const messages: AsyncIterable<object> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => undefined),
      async return() {
        returned.resolve();
        return { done: true, value: undefined };
      },
    }),
  };
  await expect(peer.client.collect(messages)).resolves.toBeDefined();
  await returned.promise;
  await expect.poll(() => peer.closed).toEqual([http2.constants.NGHTTP2_NO_ERROR]);
});

test.each(["signal", "deadline", "loop"] as const)(
  "a call that ends by its %s is cancelled at the server",
  async (by) => {
    const seen = Promise.withResolvers<void>();
    await using peer = await startNative((stream) => {
      stream.respond({ ...head });
      stream.write(hi, () => seen.resolve());
    });
    const controller = new AbortController();
    const call = async () => {
      const options = by === "deadline" ? { timeoutMs: 300 } : { signal: controller.signal };
      for await (const _message of peer.client.produce({}, options)) {
        await seen.promise;
        if (by === "signal") {
          controller.abort();
        } else if (by === "loop") {
          break;
        }
      }
    };
    const code = { signal: Code.Canceled, deadline: Code.DeadlineExceeded, loop: undefined }[by];
    await (code === undefined ? call() : expect(call()).rejects.toMatchObject({ code }));
    await expect.poll(() => peer.closed).toEqual([http2.constants.NGHTTP2_CANCEL]);
  },
);

test("a stream that is read slowly is whole, though its trailers have come long ago", async () => {
  await using server = await startRpcServer({
    place: "unix",
    httpVersion: "2",
    routes: (router) =>
      router.rpc(BehaviourService.method.produce, async function* ({ count, size }) {
        for (let index = 0; index < count; index++) {
          yield { index, data: new Uint8Array(size) };
        }
      }),
  });
  await using connection = await connect(server.address, { require: { protocols: ["grpc"] } });
  const client = connection.client(BehaviourService);
  let index = 0;
  for await (const message of client.produce({ count: 300, size: 1000 })) {
    expect(message.index).toBe(index);
    index += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(index).toBe(300);
});
