import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import type { Requirements } from "plugboard";
import { connect } from "plugboard/node";
import { afterAll, describe, expect, test, vi } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { startRawServer } from "../../support/local-server.ts";
import { rejection } from "../../support/rejection.ts";
import { startStandalone } from "../../support/standalone.ts";

const directory = mkdtempSync(join(tmpdir(), "lost-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const command = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;

describe.each<[string, string, Requirements]>([
  ["unix+grpc", "unix:", { protocols: ["grpc"] }],
  ["unix+connect", "unix:", { protocols: ["connect"], httpVersion: "2" }],
  ["unix+connect (HTTP/1.1)", "unix:", { protocols: ["connect"], httpVersion: "1.1" }],
  ["tcp+grpc", "tcp:", { protocols: ["grpc"] }],
  ["tcp+connect", "tcp:", { protocols: ["connect"], httpVersion: "2" }],
  ["tcp+connect (HTTP/1.1)", "tcp:", { protocols: ["connect"], httpVersion: "1.1" }],
])("over %s", (name, scheme, requirements) => {
  async function start() {
    const plugin = await startStandalone(
      command,
      scheme === "unix:" ? `unix:${join(directory, "p.sock")}` : "tcp:127.0.0.1:0",
    );
    const connection = await connect(plugin.address, { require: requirements });
    expect(connection.routes.unary.routes[0]?.name).toBe(name);
    return { plugin, connection, client: connection.client(BehaviourService) };
  }
  test("a call that its caller has cancelled stays canceled, though the connection is lost", async () => {
    const { plugin, connection, client } = await start();
    await using _connection = connection;
    const controller = new AbortController();
    const call = rejection(client.hang({ id: "cancelled" }, { signal: controller.signal }));
    await vi.waitFor(async () => expect(await client.watch({ id: "cancelled" })).toMatchObject({ started: true }));
    controller.abort();
    const stopped = plugin.stop("SIGKILL");
    expect(await call).toMatchObject({ code: Code.Canceled });
    await stopped;
  });
});

test("a connection that is reset before it says anything in HTTP/2 is no loss of a call", async () => {
  await using server = await startRawServer("tcp", (socket) => socket.resetAndDestroy());
  const error = await rejection(connect(server.address));
  expect(error).toMatchObject({ errorCode: "PB-CONNECT-UNREACHABLE" });
  expect(String(error)).toMatch(/grpc.* at .*PB-DIAL-FAILED/);
});
