import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { connect, Host } from "plugboard/node";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { DeclarationsService } from "../gen/plugboard/test/v1/declarations_pb.ts";
import { localProtocols } from "../support/local-plugin.ts";
import { startStandalone } from "../support/standalone.ts";

const command = ["node", "--conditions=plugboard-source", "test/services/fixtures/serve.ts"] as const;
const directory = mkdtempSync(join(tmpdir(), "services-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test.each(localProtocols)(
  "over %s a process that is told to stop tells those who watch it, and is not held up by streams",
  async (protocol) => {
    const standalone = await startStandalone(command, `unix:${join(directory, `${protocol}.sock`)}`);
    onTestFinished(() => standalone.signal("SIGKILL"));
    await using connection = await connect(standalone.address, { require: { protocols: [protocol] } });
    const hangUp = Promise.withResolvers<void>();
    async function* questions() {
      yield { messageRequest: { case: "listServices", value: "" } as const };
      await hangUp.promise;
    }
    const health = connection.client(Health);
    const streams = [
      read(health.watch({ service: DeclarationsService.typeName }), ({ status }) => status),
      read(health.watch({ service: "no.such.Service" }), ({ status }) => status),
      read(
        connection.client(ServerReflection).serverReflectionInfo(questions()),
        (response) => response.messageResponse.case,
      ),
    ] as const;
    await Promise.all(streams.map(({ begun }) => begun));

    const exitCode = standalone.stop();
    expect(await Promise.all(streams.map(({ ended }) => ended))).toEqual([
      [Status.SERVING, Status.NOT_SERVING],
      [Status.SERVICE_UNKNOWN],
      ["listServicesResponse"],
    ]);
    expect(await exitCode).toBe(0);
    hangUp.resolve();
  },
);

test("a process whose health service is off has none", async () => {
  await using host = new Host();
  const on = await host.load({ command });
  const off = await host.load({ command, env: { PLUGIN_HEALTH_SERVICE_ENABLED: "no" } });
  expect((await on.client(Health).check({})).status).toBe(Status.SERVING);
  await expect(off.client(Health).check({})).rejects.toMatchObject({ code: Code.Unimplemented });
});

/** Reads a stream to its end, as its messages come. */
function read<Message>(messages: AsyncIterable<Message>, what: (message: Message) => unknown) {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const ended = Array.fromAsync(messages, (message) => {
    resolve();
    return what(message);
  });
  return { begun: Promise.race([begun, ended]), ended };
}

test("a process on TCP says what there is to call only if it is told to", async () => {
  const ask = async (env: NodeJS.ProcessEnv) => {
    const standalone = await startStandalone(command, "tcp:127.0.0.1:0", env);
    try {
      await using connection = await connect(standalone.address, { require: { protocols: ["grpc"] } });
      return await Array.fromAsync(connection.client(ServerReflection).serverReflectionInfo(listServices()));
    } finally {
      await standalone.stop();
    }
  };
  await expect(ask({})).rejects.toMatchObject({ code: Code.Unimplemented });
  expect(await ask({ REFLECTION: "yes" })).toHaveLength(1);
});

async function* listServices() {
  yield { messageRequest: { case: "listServices", value: "" } as const };
}
