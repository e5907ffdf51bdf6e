import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { expectNoLeftovers, untilGone } from "./leftovers.ts";

expectNoLeftovers();

const node = ["--conditions=plugboard-source"] as const;
const markdown = ["node", ...node, "examples/markdown/serve.ts"] as const;
const never = ["node", "test/host/fixtures/misbehave.ts", "silent"] as const;

function startHost(way: string, command: readonly string[]) {
  const host = spawn("node", [...node, "test/host/fixtures/host-program.ts", way, ...command], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  return { host, exited: once(host, "exit"), lines: createInterface(host.stdout)[Symbol.asyncIterator]() };
}

test.each<[string, NodeJS.Signals | undefined]>([
  ["exit", undefined],
  ["exception", undefined],
  ["wait", "SIGINT"],
  ["wait", "SIGTERM"],
  ["wait", "SIGHUP"],
  ["wait", "SIGKILL"],
])("nothing is left when a host that has not been closed ends by %s %s", async (way, signal) => {
  const { host, exited, lines } = startHost(way, markdown);
  const { pid, socket } = JSON.parse(String((await lines.next()).value)) as { pid: number; socket: string };
  if (signal !== undefined) {
    host.kill(signal);
    expect(await exited).toEqual([null, signal]);
  }
  await exited;
  await untilGone(pid, socket, dirname(socket));
});

test.each<NodeJS.Signals>(["SIGINT", "SIGTERM"])(
  "a command that never becomes a plugin is gone when its host ends by %s",
  async (signal) => {
    const { host, exited, lines } = startHost("starting", never);
    const pid = Number((await lines.next()).value);
    host.kill(signal);
    await exited;
    await untilGone(pid);
  },
);
