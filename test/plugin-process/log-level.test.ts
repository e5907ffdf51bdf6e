import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { connect } from "plugboard/node";
import { expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

/** What a process logs that serves a plugin and is a host, with a call that fails and a start that is retried. */
async function loggedWith(serveOptions: object, hostOptions: object): Promise<string> {
  const script = "test/plugin-process/fixtures/serve-and-host.ts";
  const child = spawn("node", ["--conditions=plugboard-source", script], {
    env: { ...process.env, SERVE_OPTIONS: JSON.stringify(serveOptions), HOST_OPTIONS: JSON.stringify(hostOptions) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  const stderr = text(child.stderr);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const listens: string = (await lines.next()).value ?? "";
  expect((await lines.next()).value).toBe("the host has given up");
  {
    await using connection = await connect(listens.split(" listens on ")[1] ?? "");
    await expect(connection.client(BehaviourService).fail({ message: "as asked" })).rejects.toThrow("internal error");
  }
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  return await stderr;
}

const failure = "BehaviourService/Fail failed";
const retry = "retry 1 of 1";

test("a host beside a served plugin logs at its own level, and the plugin at its own", async () => {
  const hostIsQuiet = await loggedWith({ logLevel: "INFO" }, { logLevel: "ERROR" });
  expect(hostIsQuiet).toContain(failure);
  expect(hostIsQuiet).not.toContain(retry);
  const pluginIsQuiet = await loggedWith({ logLevel: "CRITICAL" }, { logLevel: "INFO" });
  expect(pluginIsQuiet).not.toContain(failure);
  expect(pluginIsQuiet).toContain(retry);
});
