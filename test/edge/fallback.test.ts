import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "plugboard/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import type { LocalWorker } from "../support/local-worker.ts";
import { startWorker } from "../support/local-worker.ts";
import { startStandalone } from "../support/standalone.ts";

const serve = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;

let worker: LocalWorker;
let directory: string;
beforeAll(async () => {
  worker = await startWorker("test/behaviour/worker.ts");
  directory = await mkdtemp(join(tmpdir(), "fallback-"));
}, 60_000);
afterAll(async () => {
  await worker?.stop();
  await rm(directory, { recursive: true, force: true });
});

test("goes on with the Worker when the process has ended and its socket with it", async () => {
  const plugin = await startStandalone(serve, `unix:${join(directory, "ended.sock")}`);
  await using connection = await connect([plugin.address, worker.url]);
  const client = connection.client(BehaviourService);
  expect((await client.inspect({})).protocol).toBe("ttrpc");
  await plugin.stop();
  expect((await client.inspect({})).protocol).toBe("connect");
  expect(await Array.fromAsync(client.produce({ count: 3 }))).toHaveLength(3);
});

test("goes on with the Worker when the process was killed and has left its socket behind", async () => {
  const plugin = await startStandalone(serve, `unix:${join(directory, "killed.sock")}`);
  await using connection = await connect([plugin.address, worker.url]);
  const client = connection.client(BehaviourService);
  expect((await client.inspect({})).protocol).toBe("ttrpc");
  await plugin.stop("SIGKILL");
  async function* requests() {
    yield { data: Uint8Array.of(1, 2, 3) };
    yield { data: Uint8Array.of(4) };
  }
  // A stream as the first call after the loss: its messages have to reach the Worker whole.
  expect(await client.collect(requests())).toMatchObject({ messages: 2, bytes: 4n });
  expect((await client.inspect({})).protocol).toBe("connect");
});

test("comes back to the process when it is there again", async () => {
  const address = `unix:${join(directory, "again.sock")}`;
  const first = await startStandalone(serve, address);
  await using connection = await connect([address, worker.url]);
  const client = connection.client(BehaviourService);
  await first.stop();
  expect((await client.inspect({})).protocol).toBe("connect");
  const second = await startStandalone(serve, address);
  expect((await client.inspect({})).protocol).toBe("ttrpc");
  await second.stop();
});

test("goes on with another Worker when the first is gone", async () => {
  const gone = await startWorker("test/behaviour/worker.ts");
  await using connection = await connect([gone.url, worker.url]);
  const client = connection.client(BehaviourService);
  expect((await client.echo({ text: "one" })).text).toBe("one");
  await gone.stop();
  expect((await client.echo({ text: "two" })).text).toBe("two");
}, 60_000);

test("fails, and does not go on, when fallback is off", async () => {
  const plugin = await startStandalone(serve, `unix:${join(directory, "strict.sock")}`);
  await using connection = await connect([plugin.address, worker.url], { fallback: false });
  await plugin.stop();
  await expect(connection.client(BehaviourService).inspect({})).rejects.toMatchObject({ errorCode: "PB-DIAL-FAILED" });
});
