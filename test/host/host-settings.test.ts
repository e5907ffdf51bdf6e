import type { HostOptions } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterEach, describe, expect, test, vi } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { expectNoLeftovers } from "../support/leftovers.ts";

expectNoLeftovers();
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const behaviour = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;
const misbehave = (way: string) => ["node", "test/host/fixtures/misbehave.ts", way] as const;

const hint = (error: unknown) => (error as { readonly hint: string }).hint;

test.each([-1, Number.NaN])("a grace period of %d is refused", (gracePeriodMs) => {
  expect(() => new Host({ gracePeriodMs })).toThrow(expect.objectContaining({ errorCode: "PB-LIMIT-INVALID" }));
});

describe("the time that a plugin has", () => {
  test.each<[string, { options: HostOptions; message: string; named: string }]>([
    [
      "silent",
      {
        options: { handshakeTimeoutMs: 500 },
        message: "no handshake within 500 ms",
        named: "handshakeTimeoutMs of the host, or PLUGIN_HANDSHAKE_TIMEOUT",
      },
    ],
    [
      "mute",
      {
        options: { connectionTimeoutMs: 500 },
        message: "no first response within 500 ms",
        named: "connectionTimeoutMs of the host, or PLUGIN_CONNECTION_TIMEOUT",
      },
    ],
  ])("is what the options say, for a %s one", async (way, { options, message, named }) => {
    await using host = new Host(options);
    const error: unknown = await host.load({ command: misbehave(way), onOutput() {} }).catch((each: unknown) => each);
    expect(error).toMatchObject({ errorCode: "PB-HANDSHAKE-TIMEOUT", message: expect.stringContaining(message) });
    expect(hint(error)).toContain(named);
  });

  test.each(["silent", "mute"])("is startTimeoutMs where the caller gives it, for a %s one", async (way) => {
    await using host = new Host({ handshakeTimeoutMs: 3_600_000, connectionTimeoutMs: 3_600_000 });
    const loading = host.load({ command: misbehave(way), startTimeoutMs: 1_000, onOutput() {} });
    await expect(loading).rejects.toThrow("within 1000 ms");
  });
});

describe("PLUGIN_CLIENT_TRANSPORTS", () => {
  test.each([
    ["tcp", "unix"],
    ["unix", "tcp"],
  ] as const)("refuses a plugin over %s where %s alone is allowed, and says what to do", async (used, allowed) => {
    await using host = new Host({ transports: [allowed] });
    const env = { PLUGIN_SERVER_TRANSPORTS: used };
    const error: unknown = await host.load({ command: behaviour, env, tls: "auto" }).catch((each: unknown) => each);
    const message = `the plugin listens over ${used}, the host's transports are ${allowed}`;
    expect(error).toMatchObject({ errorCode: "PB-HANDSHAKE-UNSUPPORTED", message: expect.stringContaining(message) });
    expect(hint(error)).toMatch(
      /`transports` of the host or PLUGIN_CLIENT_TRANSPORTS,.* of serve\(\) or PLUGIN_SERVER_TRANSPORTS/,
    );
  });
});

describe("a host", () => {
  test("reads its settings from the environment, behind what the program says", async () => {
    vi.stubEnv("PLUGIN_HANDSHAKE_TIMEOUT", "0.5");
    await using host = new Host();
    await expect(host.load({ command: misbehave("silent"), onOutput() {} })).rejects.toThrow("within 500 ms");
    await using told = new Host({ handshakeTimeoutMs: 250 });
    await expect(told.load({ command: misbehave("silent"), onOutput() {} })).rejects.toThrow("within 250 ms");
  });

  test("is not made with a value that is not allowed", () => {
    vi.stubEnv("PLUGIN_CLIENT_MAX_RETRIES", "many");
    expect(() => new Host()).toThrow(
      'PB-SETTING-INVALID: PLUGIN_CLIENT_MAX_RETRIES is "many"; allowed is a whole number from 0 to 1000',
    );
    expect(() => new Host({ retry: { maxRetries: -1 } })).toThrow(
      'PB-SETTING-INVALID: retry.maxRetries is "-1"; allowed is a whole number from 0 to 1000',
    );
  });

  test.each<{ options: HostOptions; message: string }>([
    { options: { handshakeTimeoutMs: 0 }, message: "PB-SETTING-INVALID: handshakeTimeoutMs is 0; allowed is" },
    { options: { retry: { totalTimeoutMs: 1e9 } }, message: "PB-SETTING-INVALID: retry.totalTimeoutMs is 1000000000;" },
    { options: { retry: { jitterMs: 0.5 } }, message: 'PB-SETTING-INVALID: retry.jitterMs is "0.5"; allowed is' },
    { options: { transports: [] }, message: 'PB-SETTING-INVALID: transports is ""; allowed is' },
  ])("is not made with an option that is not allowed, which the error names: $message", ({ options, message }) => {
    expect(() => new Host(options)).toThrow(message);
  });

  test("is not made with a misspelt option of a retry", () => {
    const retry: object = { maxRetrys: 2 };
    expect(() => new Host({ retry })).toThrow("Did you mean `maxRetries`?");
  });

  test("with options for its retries makes them, though the environment has them off", async () => {
    vi.stubEnv("PLUGIN_CLIENT_RETRY_ENABLED", "false");
    vi.spyOn(console, "warn").mockImplementation(() => {});
    await using host = new Host({ retry: { maxRetries: 1, initialBackoffMs: 1, jitterMs: 0 } });
    await expect(host.load({ command: ["node", "-e", "process.exit(3)"], onOutput() {} })).rejects.toThrow(
      "with code 3",
    );
    expect(vi.mocked(console.warn)).toHaveBeenCalledWith(expect.stringContaining("retry 1 of 1"));
  });

  test("shows its plugins the cookie of the settings", async () => {
    vi.stubEnv("PLUGIN_MAGIC_COOKIE_KEY", "MY_COOKIE");
    vi.stubEnv("PLUGIN_MAGIC_COOKIE_VALUE", "hello");
    await using host = new Host();
    // The environment reaches the plugin, which expects the same cookie.
    const loaded = await host.load({ command: behaviour });
    expect(await loaded.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
  });
});
