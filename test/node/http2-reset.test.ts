import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { connect } from "plugboard/node";
import { describe, expect, test } from "vitest";
import { BehaviourService } from "../../src/gen/plugboard/test/v1/behaviour_pb.ts";

const { constants } = http2;
const rows = [
  [constants.NGHTTP2_NO_ERROR, Code.Internal],
  [constants.NGHTTP2_PROTOCOL_ERROR, Code.Internal],
  [constants.NGHTTP2_INTERNAL_ERROR, Code.Internal],
  [constants.NGHTTP2_REFUSED_STREAM, Code.Unavailable],
  [constants.NGHTTP2_CANCEL, Code.Canceled],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, Code.ResourceExhausted],
  [constants.NGHTTP2_INADEQUATE_SECURITY, Code.PermissionDenied],
] as const;

describe("over gRPC", () => {
  async function start(answer: (stream: http2.ServerHttp2Stream) => void) {
    const directory = await mkdtemp(join(tmpdir(), "reset-"));
    const path = join(directory, "p.sock");
    const server = http2.createServer();
    server.on("session", (session) => session.on("error", () => {}));
    server.on("stream", (stream, headers) => {
      stream.on("error", () => {});
      if (headers[":path"]?.includes("PluginService")) {
        stream.respond(
          { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" },
          { endStream: true },
        );
        return;
      }
      stream.once("data", () => answer(stream));
    });
    server.listen(path);
    await once(server, "listening");
    const connection = await connect(`unix:${path}`, { require: { protocols: ["grpc"] } });
    return {
      client: connection.client(BehaviourService),
      async [Symbol.asyncDispose]() {
        await connection.close();
        server.close();
        await rm(directory, { recursive: true, force: true });
      },
    };
  }

  test.each(rows)("a reset with code %i before headers is %i", async (rstCode, code) => {
    await using server = await start((stream) => stream.close(rstCode));
    await expect(server.client.inspect({})).rejects.toMatchObject({ code });
    await expect(Array.fromAsync(server.client.produce({}))).rejects.toMatchObject({ code });
  });

  test("a call whose stream is refused is made again, once", async () => {
    let refused = 0;
    await using server = await start((stream) => {
      refused += 1;
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
    });
    await expect(server.client.inspect({})).rejects.toMatchObject({
      code: Code.Unavailable,
      errorCode: "PB-CALL-REFUSED",
    });
    expect(refused).toBe(2);
  });
});
