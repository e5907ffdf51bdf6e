import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";
import { Code } from "@connectrpc/connect";
import { connect, definePlugin, serveOn } from "plugboard";
import { expect, test } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

const plugin = definePlugin({ name: "empty", version: "1.0.0", routes: () => {} });

test.each<[string, unknown]>([
  ["is no Uint8Array", "text"],
  ["ends in the middle of a frame", Uint8Array.of(0, 0, 0)],
  ["is no ttrpc", Uint8Array.from({ length: 10 }, () => 1)],
])("a message that %s ends the connection, and the other side is told", async (_, message) => {
  const { port1, port2 } = new MessageChannel();
  const served = await serveOn(plugin, port1);
  port2.postMessage(message);
  expect(await once(port2, "message")).toEqual([null]);
  await served.closed;
  port2.close();
});

test("when its worker ends, calls in flight and later ones fail, as a port never opens again", async () => {
  const { port1, port2 } = new MessageChannel();
  const program = new URL("../../behaviour/port-worker.ts", import.meta.url);
  const execArgv = ["--conditions=plugboard-source"];
  const worker = new Worker(program, { workerData: port2, transferList: [port2], execArgv });
  const connection = await connect(port1);
  const client = connection.client(BehaviourService);
  const inFlight = client.hang({ id: "in flight" }).catch((error: unknown) => error);
  await client.echo({});
  await worker.terminate();
  expect(await inFlight).toMatchObject({
    code: Code.Unavailable,
    errorCode: "PB-CONNECTION-LOST",
    hint: expect.stringContaining("give connect() a new one"),
  });
  const closed = {
    code: Code.Unavailable,
    errorCode: "PB-DIAL-FAILED",
    hint: expect.stringContaining("give connect() a new one"),
  };
  await expect(client.echo({})).rejects.toMatchObject(closed);
  await expect(client.echo({})).rejects.toMatchObject(closed);
  await connection.close();
  await expect(connect(port1)).rejects.toThrow("the message port has closed");
});

test("a port that can't be sent to ends its calls, and no process", async () => {
  const { port1, port2 } = new MessageChannel();
  await using _served = await serveOn(plugin, port2);
  let broken = false;
  const port = {
    postMessage(message: unknown, transfer: ArrayBuffer[]) {
      if (broken) {
        throw new Error("it can't be cloned");
      }
      port1.postMessage(message, transfer);
    },
    addEventListener: port1.addEventListener.bind(port1),
    start: () => port1.start(),
    close: () => port1.close(),
  };
  const connection = await connect(port);
  broken = true;
  await expect(connection.client(BehaviourService).echo({})).rejects.toMatchObject({
    code: Code.Unavailable,
    errorCode: "PB-CONNECTION-LOST",
    message: expect.stringContaining("it can't be cloned"),
  });
});
