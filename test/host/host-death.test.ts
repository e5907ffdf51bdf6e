import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, test, vi } from "vitest";
import { expectNoLeftovers, isAlive, leftovers, untilGone } from "../support/leftovers.ts";

const files = mkdtempSync(join(tmpdir(), "host-files-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));
expectNoLeftovers();

const node = ["--conditions=plugboard-source"] as const;
const markdown = ["node", ...node, "examples/markdown/serve.ts"] as const;
const never = ["node", "test/host/fixtures/misbehave.ts", "silent"] as const;

const slow = ["node", ...node, "test/host/fixtures/slow-plugin.ts"] as const;

function startHost(way: string, command: readonly string[], env: Record<string, string> = {}) {
  const host = spawn("node", [...node, "test/host/fixtures/host-program.ts", way, ...command], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "ignore"],
  });
  return { host, exited: once(host, "exit"), lines: createInterface(host.stdout)[Symbol.asyncIterator]() };
}

test.each<[string, string, NodeJS.Signals?]>([
  ["process.exit()", "exit"],
  ["an unhandled rejection", "rejection"],
  ["an uncaught exception", "exception"],
  ["SIGINT", "wait", "SIGINT"],
  ["SIGTERM", "wait", "SIGTERM"],
  ["SIGHUP", "wait", "SIGHUP"],
  ["SIGKILL", "wait", "SIGKILL"],
])("nothing is left when a host that has not been closed ends by %s", async (_, way, signal) => {
  const { host, exited, lines } = startHost(way, markdown);
  const { pid, socket } = JSON.parse(String((await lines.next()).value)) as { pid: number; socket: string };
  if (signal !== undefined) {
    host.kill(signal);
    expect(await exited).toEqual([null, signal]);
  }
  await exited;
  await untilGone(pid, socket, dirname(socket));
});

test("nothing is left of a plugin that was loaded as go-plugin's hosts do when the host is killed", async () => {
  const command = ["node", ...node, "test/host/fixtures/calls-back.ts"];
  const { host, exited, lines } = startHost("wait", command, { COOKIE_KEY: "CALLS_BACK" });
  const { pid, socket } = JSON.parse(String((await lines.next()).value)) as { pid: number; socket: string };
  host.kill("SIGKILL");
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

test.each<NodeJS.Signals>(["SIGINT", "SIGTERM", "SIGKILL"])(
  "a plugin that is still starting is gone when its host ends by %s",
  async (signal) => {
    const { host, exited, lines } = startHost("starting", slow);
    const pid = Number((await lines.next()).value);
    host.kill(signal);
    await exited;
    try {
      await untilGone(pid);
      await vi.waitFor(() => expect(leftovers()).toEqual([]));
    } finally {
      await cleanUp(pid);
    }
  },
);

test.each([
  ["a plugin", markdown],
  ["a command that never becomes a plugin", never],
])("nothing is left when a host exits in the moment in which it starts %s", async (_, command) => {
  const pidFile = join(files, command.join("-").replaceAll("/", "-"));
  const { exited } = startHost("exit at once", command, { PID_FILE: pidFile });
  await exited;
  const pids = () => (existsSync(pidFile) ? readFileSync(pidFile, "utf8").trim().split("\n").map(Number) : []);
  try {
    await vi.waitFor(
      () =>
        expect({ directories: leftovers(), processes: pids().filter(isAlive) }).toEqual({
          directories: [],
          processes: [],
        }),
      { timeout: 5_000 },
    );
  } finally {
    await cleanUp(...pids());
  }
});

/** Ends and removes what should have gone by itself, so that a test that fails leaves nothing to the next one. */
async function cleanUp(...pids: readonly number[]) {
  for (const pid of pids.filter(isAlive)) {
    process.kill(pid, "SIGKILL");
    await untilGone(pid);
  }
  for (const name of leftovers()) {
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}
