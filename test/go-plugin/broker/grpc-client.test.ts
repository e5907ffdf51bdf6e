import { once } from "node:events";
import * as net from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createGrpcClient } from "../../../src/go-plugin/broker/grpc-client.ts";
import { BehaviourService, EchoResponseSchema } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import type { RawRequest } from "../../support/raw-http2-server.ts";
import { startRawHttp2Server } from "../../support/raw-http2-server.ts";

const message = toBinary(EchoResponseSchema, create(EchoResponseSchema, { text: "hi" }));
const envelope = Buffer.concat([Buffer.of(0, 0, 0, 0, message.byteLength), message]);

function respond(request: RawRequest) {
  request.respond({ ":status": "200", "content-type": "application/grpc" });
  request.send(0, 0, envelope);
  request.respond({ "grpc-status": "0" }, { endStream: true });
}

async function startClient(response: (request: RawRequest) => void) {
  const server = await startRawHttp2Server(response);
  const client = await createGrpcClient({
    name: "the other side",
    async open() {
      const socket = net.connect(server.address.slice("unix:".length));
      await once(socket, "connect");
      return socket;
    },
    maxMessageBytes: 1024,
    timeoutMs: 5_000,
    signal: new AbortController().signal,
  });
  return {
    server,
    echo: () => client.client(BehaviourService).echo({}),
    async [Symbol.asyncDispose]() {
      await client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

test("a call that the other side's GOAWAY leaves out is made again, on a new connection", async () => {
  await using peer = await startClient((request) => (request.index === 0 ? request.goaway(0) : respond(request)));
  await expect(peer.echo()).resolves.toMatchObject({ text: "hi" });
  expect(peer.server.connections).toBe(2);
});

test("a call that is refused each time is made again once", async () => {
  let refused = 0;
  await using peer = await startClient((request) => {
    refused += 1;
    request.goaway(0);
  });
  await expect(peer.echo()).rejects.toMatchObject({ code: Code.Unavailable, errorCode: "PB-CALL-REFUSED" });
  expect(refused).toBe(2);
});
