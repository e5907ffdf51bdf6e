import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

// An uncaught exception fails the run of the tests.
test("a server that wants to push a stream may not; breaking off, it ends only its own calls", async () => {
  const directory = await mkdtemp(join(tmpdir(), "push-"));
  const path = join(directory, "p.sock");
  const pushes: (Error | null)[] = [];
  const server = http2.createServer();
  server.on("session", (session) => session.on("error", () => {}));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    if (headers[":path"]?.includes("PluginService")) {
      stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "12" }, { endStream: true });
      return;
    }
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    try {
      stream.pushStream({ ":path": "/x" }, (error, pushed) => {
        pushes.push(error);
        pushed?.on("error", () => {});
        pushed?.respond({ ":status": 200 });
      });
    } catch (error) {
      pushes.push(error as Error);
    }
    setImmediate(() => stream.session?.destroy(undefined, http2.constants.NGHTTP2_INTERNAL_ERROR));
  });
  server.listen(path);
  await once(server, "listening");
  try {
    await using connection = await connect(`unix:${path}`, { require: { protocols: ["grpc"] } });
    await expect(connection.client(BehaviourService).echo({})).rejects.toThrow();
    expect(pushes).toContainEqual(expect.objectContaining({ code: "ERR_HTTP2_PUSH_DISABLED" }));
  } finally {
    server.close();
    await rm(directory, { recursive: true, force: true });
  }
});
