import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ErrorCode } from "plugboard";
import type { HostOptions } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { expectNoLeftovers, leftovers, untilGone } from "../support/leftovers.ts";

const files = mkdtempSync(join(tmpdir(), "retry-"));
afterAll(() => rmSync(files, { recursive: true, force: true }));
let notes: string;
let count = 0;
beforeEach(() => {
  notes = join(files, `notes-${count++}`);
  vi.spyOn(console, "warn").mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());
expectNoLeftovers();
afterEach(async () => {
  await Promise.all(starts().map((pid) => untilGone(pid)));
});

/** The process ids of all that were started in this test. */
function starts(): readonly number[] {
  return readFileSync(notes, "utf8").trimEnd().split("\n").map(Number);
}

/** The lines that were logged in this test. */
function logged(): readonly string[] {
  return vi.mocked(console.warn).mock.calls.map((words) => words.join(" "));
}

const quick = { initialBackoffMs: 1, jitterMs: 0 } as const;

function load(host: Host, way: string, failures: number, more: object = {}) {
  const command = [
    "node",
    "--conditions=plugboard-source",
    "test/host/fixtures/flaky.ts",
    way,
    String(failures),
  ] as const;
  return host.load({ command, env: { NOTES: notes }, onOutput() {}, ...more });
}

describe("a start", () => {
  test.each(["exit", "signal", "unreachable", "leave", "start hook"])(
    "a start that fails by chance (%s) is made again, with a new process",
    async (way) => {
      await using host = new Host({ retry: quick });
      const loaded = await load(host, way, 2);
      expect(await loaded.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
      expect(starts()).toHaveLength(3);
      expect(starts().at(-1)).toBe(loaded.pid);
    },
  );

  test.each<[string, ErrorCode]>([
    ["garbage", "PB-HANDSHAKE-INVALID"],
    ["coded", "PB-HANDSHAKE-EXITED"],
    ["silent", "PB-HANDSHAKE-TIMEOUT"],
  ])("a start that would fail the same way again (%s) is not repeated", async (way, errorCode) => {
    await using host = new Host({ retry: quick });
    await expect(load(host, way, 1, { startTimeoutMs: 1_000 })).rejects.toMatchObject({ errorCode });
    expect(starts()).toHaveLength(1);
    expect(logged()).toEqual([]);
  });

  test("is made again as often as the options allow, and no more; each retry is logged", async () => {
    await using host = new Host({ retry: { ...quick, maxRetries: 2 } });
    await expect(load(host, "exit", 9)).rejects.toThrow(/PB-HANDSHAKE-EXITED: .*with code 3/);
    expect(starts()).toHaveLength(3);
    const why = "plugboard: PB-HANDSHAKE-EXITED: the process ended before its handshake, with code 3";
    expect(logged()).toEqual([`${why}; retry 1 of 2 in 1 ms`, `${why}; retry 2 of 2 in 2 ms`]);
  });

  test.each<[string, HostOptions["retry"]]>([
    ["retries are off", false],
    ["there are none", { ...quick, maxRetries: 0 }],
    ["the time for them is over", { ...quick, totalTimeoutMs: 1 }],
    ["the wait would be longer than the time for them", { initialBackoffMs: 5_000, totalTimeoutMs: 5_000 }],
  ])("is made once if %s", async (_, retry) => {
    await using host = new Host(retry === undefined ? {} : { retry });
    await expect(load(host, "exit", 9)).rejects.toThrow("PB-HANDSHAKE-EXITED");
    expect(starts()).toHaveLength(1);
  });

  test("waits between attempts for twice as long each time, up to a maximum, and by chance a little longer", async () => {
    const retry = { initialBackoffMs: 10, maxBackoffMs: 25, jitterMs: 8 };
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    await using host = new Host({ retry });
    await load(host, "exit", 3);
    expect(logged().map((line) => / in (\d+) ms$/.exec(line)?.[1])).toEqual(["14", "24", "29"]);
  });

  test.each(["a signal", "closing the host"])("can be given up by %s between attempts", async (way) => {
    const host = new Host({
      retry: { initialBackoffMs: 3_600_000, maxBackoffMs: 3_600_000, totalTimeoutMs: 86_400_000 },
    });
    const controller = new AbortController();
    const loading = load(host, "exit", 9, { signal: controller.signal });
    const outcome = expect(loading).rejects.toThrow(way === "a signal" ? "changed my mind" : "PB-HOST-CLOSED");
    await vi.waitFor(() => expect(logged()).toHaveLength(1), { timeout: 10_000 });
    if (way === "a signal") {
      controller.abort(new Error("changed my mind"));
    } else {
      await host.close();
    }
    await outcome;
    expect(starts()).toHaveLength(1);
    expect(leftovers()).toEqual([]);
    await host.close();
  });
});

describe("a call", () => {
  test("is not made again when the plugin fails at it", async () => {
    await using host = new Host({ retry: quick });
    const loaded = await load(host, "exit", 0);
    const client = loaded.client(BehaviourService);
    const outcome = expect(client.hang({ id: "once" })).rejects.toThrow("PB-PLUGIN-EXITED");
    await vi.waitFor(async () => expect(await client.watch({ id: "once" })).toMatchObject({ started: true }));
    process.kill(loaded.pid, "SIGKILL");
    await outcome;
    expect(starts()).toEqual([loaded.pid]);
  });
});

test("each host logs what its own level lets through, whatever another one in the process says", async () => {
  await using first = new Host({ retry: quick });
  await using second = new Host({ retry: quick, logLevel: "ERROR" });
  await load(first, "exit", 1);
  expect(logged()).toHaveLength(1);
  await load(second, "exit", 3);
  expect(starts()).toHaveLength(4);
  expect(logged()).toHaveLength(1);
});
