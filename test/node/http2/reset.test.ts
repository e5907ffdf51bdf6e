import * as http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { connect } from "plugboard/node";
import { describe, expect, test } from "vitest";
import { http2Endings } from "../../behaviour/suite/http2-endings.ts";
import { BehaviourService, EchoResponseSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import type { RawRequest } from "../../support/raw-http2-server.ts";
import { startRawHttp2Server } from "../../support/raw-http2-server.ts";

const { constants } = http2;
const data = { type: 0, end: 1 } as const;
const message = toBinary(EchoResponseSchema, create(EchoResponseSchema, { text: "hi" }));
/** Stands for a message of a stream, too. */
const envelope = Buffer.concat([Buffer.of(0, 0, 0, 0, message.byteLength), message]);

const stream = (request: RawRequest) => request.send(data.type, 0, envelope);

/** A server's words in each protocol: without PluginService, or to Echo. */
const says = {
  grpc: {
    begin: (request: RawRequest) => request.respond({ ":status": "200", "content-type": "application/grpc" }),
    unknown: (request: RawRequest) =>
      request.respond(
        { ":status": "200", "content-type": "application/grpc", "grpc-status": "12" },
        { endStream: true },
      ),
    whole(request: RawRequest) {
      says.grpc.begin(request);
      stream(request);
      request.respond({ "grpc-status": "0" }, { endStream: true });
    },
  },
  connect: {
    begin: (request: RawRequest) => request.respond({ ":status": "200", "content-type": "application/connect+proto" }),
    unknown(request: RawRequest) {
      request.respond({ ":status": "501", "content-type": "application/json" });
      request.send(data.type, data.end, Buffer.from('{"code":"unimplemented"}'));
    },
    whole(request: RawRequest) {
      request.respond({ ":status": "200", "content-type": "application/proto" });
      request.send(data.type, data.end, message);
    },
  },
} as const;

describe.each(["grpc", "connect"] as const)("over %s", (protocol) => {
  const { begin, unknown, whole } = says[protocol];

  /** @param respond Gets the requests from 0 on; the one for discovery not counted. */
  async function start(respond: (request: RawRequest, index: number) => void) {
    const server = await startRawHttp2Server((request) =>
      request.index === 0 ? unknown(request) : respond(request, request.index - 1),
    );
    const connection = await connect(server.address, { require: { protocols: [protocol], httpVersion: "2" } });
    const before = server.connections;
    return {
      client: connection.client(BehaviourService),
      /** Those that its calls have opened. */
      connections: () => server.connections - before,
      async [Symbol.asyncDispose]() {
        await connection.close();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  test.each(http2Endings)("$fault: $code", async ({ code, late, respond }) => {
    await using peer = await start((request) => respond(request, { headers: begin, message: stream }));
    await expect(Array.fromAsync(peer.client.produce({}))).rejects.toMatchObject({ code });
    if (!late) {
      await expect(peer.client.echo({})).rejects.toMatchObject({ code });
    }
  });

  test("a call whose stream is refused is made again", async () => {
    await using peer = await start((request, index) =>
      index % 2 === 0 ? request.reset(constants.NGHTTP2_REFUSED_STREAM) : whole(request),
    );
    await expect(peer.client.echo({})).resolves.toMatchObject({ text: "hi" });
  });

  test("a call whose stream is refused each time is made again once", async () => {
    let refused = 0;
    await using peer = await start((request) => {
      refused += 1;
      request.reset(constants.NGHTTP2_REFUSED_STREAM);
    });
    await expect(peer.client.echo({})).rejects.toMatchObject({
      code: Code.Unavailable,
      errorCode: "PB-CALL-REFUSED",
    });
    expect(refused).toBe(2);
  });

  test.each([
    ["in order", constants.NGHTTP2_NO_ERROR],
    ["for an error", constants.NGHTTP2_ENHANCE_YOUR_CALM],
  ])("calls that GOAWAY leaves out, %s, are made again on a new connection", async (_how, code) => {
    const held: RawRequest[] = [];
    await using peer = await start((request, index) => {
      if (index < 2) {
        held.push(request);
        if (held.length === 2) {
          request.goaway(0, code);
        }
      } else {
        whole(request);
      }
    });
    const calls = [peer.client.echo({}), peer.client.echo({})];
    await expect(Promise.all(calls)).resolves.toMatchObject([{ text: "hi" }, { text: "hi" }]);
    expect(peer.connections()).toBe(2);
  });

  test("a call that GOAWAY does not leave out ends on its connection, the next one has a new one", async () => {
    let first: RawRequest | undefined;
    await using peer = await start((request, index) => {
      if (index === 0) {
        first = request;
        request.goaway(request.streamId);
      } else {
        whole(request);
        if (first !== undefined) {
          whole(first);
        }
      }
    });
    const call = peer.client.echo({});
    await expect.poll(() => first).toBeDefined();
    await expect(peer.client.echo({})).resolves.toMatchObject({ text: "hi" });
    await expect(call).resolves.toMatchObject({ text: "hi" });
    expect(peer.connections()).toBe(2);
  });
});
