import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Requirements } from "plugboard";
import { connect } from "plugboard/node";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { startStandalone } from "../support/standalone.ts";

const directory = mkdtempSync(join(tmpdir(), "rolling-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const command = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;
let index = 0;
const callersOfEachKind = 5;

test.each<[string, "unix" | "tcp" | "http", Requirements]>([
  ["unix+ttrpc", "unix", { protocols: ["ttrpc"] }],
  ["unix+grpc", "unix", { protocols: ["grpc"] }],
  ["unix+connect", "unix", { protocols: ["connect"], httpVersion: "2" }],
  ["unix+connect (HTTP/1.1)", "unix", { protocols: ["connect"], httpVersion: "1.1" }],
  ["tcp+ttrpc", "tcp", { protocols: ["ttrpc"] }],
  ["tcp+grpc", "tcp", { protocols: ["grpc"] }],
  ["tcp+connect", "tcp", { protocols: ["connect"], httpVersion: "2" }],
  ["tcp+connect (HTTP/1.1)", "tcp", { protocols: ["connect"], httpVersion: "1.1" }],
  ["http+connect", "http", { protocols: ["connect"] }],
  ["http+grpc-web", "http", { protocols: ["grpc-web"] }],
  ["websocket+ttrpc", "http", { protocols: ["ttrpc"] }],
])("over %s, no call is lost when one of two plugins is stopped under load", async (name, place, requirements) => {
  const listen = (which: string) =>
    place === "unix" ? `unix:${join(directory, `${which}${index++}`)}` : "tcp:127.0.0.1:0";
  const plugins = await Promise.all(["a", "b"].map((which) => startStandalone(command, listen(which))));
  onTestFinished(async () => {
    await Promise.all(plugins.map((plugin) => plugin.stop("SIGKILL")));
  });
  const targets = plugins.map(({ address }) => (place === "http" ? address.replace("tcp:", "http://") : address));
  await using connection = await connect(targets, { require: requirements });
  const best = connection.routes.unary.routes[0];
  expect(best?.name).toBe(name);
  const client = connection.client(BehaviourService);
  const first =
    plugins[targets.findIndex((target) => JSON.stringify(best).includes(target.replace(/^[a-z]+:(\/\/)?/, "")))];

  let calls = 0;
  let stopped = false;
  const lost: unknown[] = [];
  const callUntilStopped = async (call: () => Promise<unknown>) => {
    while (!stopped) {
      try {
        await call();
        calls += 1;
      } catch (error) {
        lost.push(String(error).split("\n")[0]);
        if (lost.length > 100) {
          return;
        }
      }
    }
  };
  const until = (count: number) => expect.poll(() => calls + lost.length, { timeout: 20_000 }).toBeGreaterThan(count);
  const callers = Array.from({ length: callersOfEachKind }, () => [
    callUntilStopped(() => client.inspect({})),
    callUntilStopped(() => Array.fromAsync(client.produce({ count: 3 }))),
  ]).flat();
  await until(50);
  expect(await first?.stop()).toBe(0);
  await until(calls + 50);
  stopped = true;
  await Promise.all(callers);
  expect(lost).toEqual([]);
  await Promise.all(plugins.map((plugin) => plugin.stop()));
});
