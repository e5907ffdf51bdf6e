import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

/** A server whose clock has the deadline before the caller's: it then ends the call, and says no more of it. */
async function startImpatientServer(end: (stream: http2.ServerHttp2Stream) => void) {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session.on("error", () => undefined)));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    const type = { ":status": 200, "content-type": "application/grpc" };
    if (headers[":path"]?.endsWith("/Describe")) {
      stream.respond({ ...type, "grpc-status": 12 }, { endStream: true });
      return;
    }
    if (headers[":path"]?.endsWith("/Produce")) {
      stream.respond(type);
    }
    const timeout = /^(\d+)m$/.exec(String(headers["grpc-timeout"]))?.[1];
    setTimeout(() => end(stream), timeout === undefined ? 0 : Number(timeout) - 10);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `tcp:127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) {
        session.destroy();
      }
      server.close();
    },
  };
}

const timeoutMs = 400;

test("a call has timed out if the server resets its stream at the deadline, a moment before the caller does", async () => {
  await using server = await startImpatientServer((stream) => stream.close(http2.constants.NGHTTP2_CANCEL));
  await using connection = await connect(server.address, { require: { protocols: ["grpc"] } });
  const hanging = connection.client(BehaviourService).hang({ id: "a" }, { timeoutMs });
  await expect(hanging).rejects.toMatchObject({ code: Code.DeadlineExceeded });
});

test("a call has timed out if the server ends the connection at the deadline, a moment before the caller does", async () => {
  await using server = await startImpatientServer((stream) => stream.session?.destroy());
  await using connection = await connect(server.address, { require: { protocols: ["grpc"] } });
  const client = connection.client(BehaviourService);
  await expect(client.hang({ id: "a" }, { timeoutMs })).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  const stream = Array.fromAsync(client.produce({ count: 1 }, { timeoutMs }));
  await expect(stream).rejects.toMatchObject({ code: Code.DeadlineExceeded });
});

test("a call that is cut off long before its deadline has not timed out", async () => {
  await using server = await startImpatientServer((stream) => stream.close(http2.constants.NGHTTP2_CANCEL));
  await using connection = await connect(server.address, { require: { protocols: ["grpc"] } });
  const hanging = connection.client(BehaviourService).hang({ id: "a" });
  await expect(hanging).rejects.toMatchObject({ code: Code.Canceled });
});
