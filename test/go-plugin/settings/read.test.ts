import fc from "fast-check";
import { isPlugboardError } from "plugboard";
import { describe, expect, test } from "vitest";
import type { HostSettings, PluginSettings } from "../../../src/go-plugin/settings/read.ts";
import { cookieOf, readSettings } from "../../../src/go-plugin/settings/read.ts";
import type { Side } from "../../../src/go-plugin/settings/schema.ts";

interface Expected {
  readonly readBy: readonly Side[];
  readonly default: unknown;
  readonly good: Readonly<Record<string, unknown>>;
  readonly bad: readonly string[];
  readonly allowed: string;
  readonly secret?: boolean;
}

const plugin = ["plugin"] as const;
const host = ["host"] as const;
const both = ["plugin", "host"] as const;

const flag = (readBy: readonly Side[], byDefault: boolean): Expected => ({
  readBy,
  default: byDefault,
  good: {
    true: true,
    YES: true,
    on: true,
    "1": true,
    " Enabled ": true,
    false: false,
    no: false,
    off: false,
    "0": false,
  },
  bad: ["maybe", "2", "tru", "yes no", "toString", " "],
  allowed: "true, yes, on, 1 or enabled; false, no, off, 0 or disabled",
});
const transports = (readBy: readonly Side[]): Expected => ({
  readBy,
  default: ["unix", "tcp"],
  good: { unix: ["unix"], "tcp, UNIX": ["tcp", "unix"], '["tcp"]': ["tcp"] },
  bad: ["udp", "unix,udp", "unix,", "unix,unix", ",", "[]", '["unix"', "[null]", '[{"toString":1}]', " "],
  allowed: "a list of unix, tcp, separated by commas, without repetition",
});
const certificate = (readBy: readonly Side[]): Expected => ({
  readBy,
  default: undefined,
  good: Object.fromEntries(
    ["-----BEGIN CERTIFICATE-----\nswordfish", "file:///etc/swordfish.pem"].map((text) => [text, text]),
  ),
  bad: ["swordfish", "file://swordfish", "/etc/swordfish.pem", "file:///a\0b"],
  allowed: "PEM, which begins with -----BEGIN, or file:// and an absolute path",
  secret: true,
});
const number = (
  readBy: readonly Side[],
  byDefault: number,
  allowed: string,
  good: readonly number[],
  bad: readonly string[],
): Expected => ({
  readBy,
  default: byDefault,
  good: { ...Object.fromEntries(good.map((value) => [String(value), value])), [` ${byDefault} `]: byDefault },
  bad: [...bad, "-1", "+1", "1e3", "0x10", "ten", "1 0", "Infinity", "NaN", "1,5", "99999999999", " "],
  allowed,
});
const seconds = (byDefault: number) =>
  number(host, byDefault, "a number from 0.001 to 86400", [0.001, 2.5, 86_400], ["0", "86400.1", ".", ".5", "5s"]);
const milliseconds = (byDefault: number, from: number) =>
  number(host, byDefault, `a whole number from ${from} to 3600000`, [from, 3_600_000], ["1.5", "3600001", "5ms"]);

const expected: Readonly<Record<keyof (PluginSettings & HostSettings), Expected>> = {
  PLUGIN_SERVER_TRANSPORTS: transports(plugin),
  PLUGIN_CLIENT_TRANSPORTS: transports(host),
  PLUGIN_SERVER_ENDPOINT: {
    readBy: plugin,
    default: undefined,
    good: Object.fromEntries(
      [
        ...["/run/a b.sock", "unix:/run/p.sock", "unix:///run/p.sock"],
        ...["127.0.0.1:0", "[::1]:4000", "localhost:1", "tcp:127.0.0.1:0", "tcp://[::1]:1"],
      ].map((text) => [text, text]),
    ),
    bad: [
      "p.sock",
      "unix:p.sock",
      "/",
      "/a|b",
      "/a\nb",
      "/a\0b",
      "4000",
      "tcp:",
      "a b:1",
      "http://localhost",
      "::1:1x",
    ],
    allowed: 'an absolute path, with unix: before it or without, or host:port, with tcp: or without; no "|" in it',
  },
  PLUGIN_AUTO_MTLS: flag(both, true),
  PLUGIN_SERVER_CERT: certificate(plugin),
  PLUGIN_SERVER_KEY: certificate(plugin),
  PLUGIN_CLIENT_ROOT_CERTS: certificate(plugin),
  PLUGIN_CLIENT_CERT: certificate(both),
  PLUGIN_CLIENT_KEY: certificate(host),
  PLUGIN_SERVER_ROOT_CERTS: certificate(host),
  PLUGIN_MAGIC_COOKIE_KEY: {
    readBy: both,
    default: "PLUGIN_MAGIC_COOKIE",
    good: { TF_PLUGIN_MAGIC_COOKIE: "TF_PLUGIN_MAGIC_COOKIE", _a1: "_a1" },
    bad: ["1A", "A-B", "A=B", "A B", " "],
    allowed: "the name of an environment variable",
  },
  PLUGIN_MAGIC_COOKIE_VALUE: {
    readBy: both,
    default: undefined,
    good: { hello: "hello", " ": " " },
    bad: ["swordfish\0"],
    allowed: "any text",
    secret: true,
  },
  PLUGIN_PROTOCOL_VERSIONS: {
    readBy: plugin,
    default: "",
    good: { "6,5": "6,5", "x, 3": "x, 3" },
    bad: ["1\0"],
    allowed: "whole numbers, separated by commas; others are ignored with a warning, as in go-plugin",
  },
  PLUGIN_HANDSHAKE_TIMEOUT: seconds(10),
  PLUGIN_CONNECTION_TIMEOUT: seconds(30),
  PLUGIN_CLIENT_RETRY_ENABLED: flag(host, true),
  PLUGIN_CLIENT_MAX_RETRIES: number(host, 3, "a whole number from 0 to 1000", [0, 1000], ["1001", "1.5"]),
  PLUGIN_CLIENT_INITIAL_BACKOFF_MS: milliseconds(500, 1),
  PLUGIN_CLIENT_MAX_BACKOFF_MS: milliseconds(5000, 1),
  PLUGIN_CLIENT_RETRY_JITTER_MS: milliseconds(100, 0),
  PLUGIN_CLIENT_RETRY_TOTAL_TIMEOUT_S: seconds(60),
  PLUGIN_SHUTDOWN_FILE_PATH: {
    readBy: plugin,
    default: undefined,
    good: { "/run/stop": "/run/stop", "stop here": "stop here" },
    bad: ["a\0b"],
    allowed: "the path of a file",
  },
  PLUGIN_RATE_LIMIT_ENABLED: flag(plugin, false),
  PLUGIN_RATE_LIMIT_REQUESTS_PER_SECOND: number(
    plugin,
    100,
    "a number from 0.001 to 1000000",
    [0.001, 0.5, 1_000_000],
    ["0", "0.0001"],
  ),
  PLUGIN_RATE_LIMIT_BURST_CAPACITY: number(plugin, 200, "a number from 1 to 1000000000", [1, 1.5, 1e9], ["0", "0.9"]),
  PLUGIN_HEALTH_SERVICE_ENABLED: flag(plugin, true),
  PLUGIN_LOG_LEVEL: {
    readBy: both,
    default: "INFO",
    good: {
      DEBUG: "DEBUG",
      info: "INFO",
      Warning: "WARNING",
      ERROR: "ERROR",
      critical: "CRITICAL",
      trace: "DEBUG",
      Warn: "WARNING",
      OFF: "CRITICAL",
    },
    bad: ["none", "5", "DEBUG,INFO", " "],
    allowed: "one of DEBUG, INFO, WARNING, ERROR, CRITICAL; also TRACE for DEBUG, WARN for WARNING, OFF for CRITICAL",
  },
};

/** Reads one side's settings, by names that the types of the other side may not have. */
function read(side: Side, env: NodeJS.ProcessEnv = {}, given: object = {}): Readonly<Record<string, unknown>> {
  return readSettings(side, given, env);
}

/** The options that say the same, which errors name. */
const optionsOf: Readonly<Record<Side, Readonly<Record<string, string>>>> = {
  plugin: {
    PLUGIN_SERVER_TRANSPORTS: "transports",
    PLUGIN_SERVER_ENDPOINT: "listen",
    PLUGIN_AUTO_MTLS: "autoMtls",
    PLUGIN_SERVER_CERT: "tls.certificate",
    PLUGIN_SERVER_KEY: "tls.key",
    PLUGIN_CLIENT_ROOT_CERTS: "tls.clientRoots",
    PLUGIN_MAGIC_COOKIE_KEY: "handshake.cookie.key",
    PLUGIN_MAGIC_COOKIE_VALUE: "handshake.cookie.value",
    PLUGIN_SHUTDOWN_FILE_PATH: "shutdownFile",
    PLUGIN_RATE_LIMIT_ENABLED: "processRateLimit",
    PLUGIN_RATE_LIMIT_REQUESTS_PER_SECOND: "processRateLimit.perSecond",
    PLUGIN_RATE_LIMIT_BURST_CAPACITY: "processRateLimit.burst",
    PLUGIN_HEALTH_SERVICE_ENABLED: "services",
    PLUGIN_LOG_LEVEL: "logLevel",
  },
  host: {
    PLUGIN_HANDSHAKE_TIMEOUT: "handshakeTimeoutMs",
    PLUGIN_CONNECTION_TIMEOUT: "connectionTimeoutMs",
    PLUGIN_CLIENT_RETRY_ENABLED: "retry",
    PLUGIN_CLIENT_MAX_RETRIES: "retry.maxRetries",
    PLUGIN_CLIENT_INITIAL_BACKOFF_MS: "retry.initialBackoffMs",
    PLUGIN_CLIENT_MAX_BACKOFF_MS: "retry.maxBackoffMs",
    PLUGIN_CLIENT_RETRY_JITTER_MS: "retry.jitterMs",
    PLUGIN_CLIENT_RETRY_TOTAL_TIMEOUT_S: "retry.totalTimeoutMs",
    PLUGIN_CLIENT_TRANSPORTS: "transports",
    PLUGIN_AUTO_MTLS: "autoMtls",
    PLUGIN_MAGIC_COOKIE_KEY: "cookie.key",
    PLUGIN_MAGIC_COOKIE_VALUE: "cookie.value",
    PLUGIN_LOG_LEVEL: "logLevel",
  },
};

const sides = ["plugin", "host"] as const;

describe.each(Object.entries(expected))("%s", (name, { readBy, default: byDefault, good, bad, allowed, secret }) => {
  test("has its default if it is not set, or empty, and is read by whom it concerns", () => {
    for (const side of sides) {
      const wanted = readBy.includes(side) ? { [name]: byDefault } : {};
      for (const env of [{}, { [name]: "" }]) {
        const settings = read(side, env);
        expect(name in settings ? { [name]: settings[name] } : {}).toEqual(wanted);
      }
    }
  });

  test.each(Object.entries(good))("is read from %j", (text, value) => {
    for (const side of readBy) {
      expect(read(side, { [name]: text })[name]).toEqual(value);
      // What an option says goes before, and has the same form.
      expect(read(side, { [name]: "\0" }, { [name]: value })[name]).toEqual(value);
    }
  });

  test.each(bad)("is not read from %j, and the error says all", (text) => {
    const shown = secret
      ? "not shown here, as it may be secret"
      : JSON.stringify(text.replace(/\0/g, "").replace(/\n/g, " "));
    const hint = "Use a value that is allowed, or leave it out; docs/settings.md lists all options and variables.";
    const message = `${name} is ${shown}; allowed is ${allowed}\n${hint}`;
    for (const side of sides) {
      const reading = () => read(side, { [name]: text });
      if (readBy.includes(side)) {
        expect(reading).toThrow(expect.objectContaining({ rawMessage: `PB-SETTING-INVALID: ${message}` }));
        expect(() => read(side, {}, { [name]: text })).toThrow(
          `PB-SETTING-INVALID: ${optionsOf[side][name] ?? name} is ${shown};`,
        );
      } else {
        expect(reading).not.toThrow();
      }
    }
  });
});

test("whatever a variable holds, it is read or refused with an error of ours that is one line and its hint", () => {
  const words = fc.constantFrom(
    "unix",
    "true",
    "[",
    "]",
    ",",
    "{}",
    "1",
    "file:///",
    "-----BEGIN ",
    "tcp:",
    "|",
    "\0",
    "\u001b[2J",
  );
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.array(words).map((each) => each.join("")),
    fc.json(),
  );
  fc.assert(
    fc.property(fc.constantFrom(...sides), fc.constantFrom(...Object.keys(expected)), text, (side, name, value) => {
      try {
        read(side, { [name]: value });
      } catch (error) {
        if (!isPlugboardError(error, "PB-SETTING-INVALID")) {
          throw error;
        }
        expect(error.rawMessage.split("\n")).toHaveLength(2);
        expect(error.rawMessage).not.toMatch(/[^\P{Cc}\n]/u);
      }
    }),
    { numRuns: 2_000 },
  );
});

test.each<[Side, string]>([
  ["host", "PLUGIN_HANDSHAKE_TIMEOT"],
  ["host", "PLUGIN_RATE_LIMIT_ENABLED"],
  ["plugin", "PLUGIN_HANDSHAKE_TIMEOUT"],
  ["plugin", "toString"],
])("what a %s does not read is ignored in the environment: %s", (side, name) => {
  expect(Object.hasOwn(read(side, { [name]: "1" }), name)).toBe(false);
});

test("a value that is too long is cut in the error", () => {
  expect(() => read("plugin", { PLUGIN_LOG_LEVEL: "x".repeat(100_000) })).toThrow(/is "x{300}\.\.\.";/);
});

test("the cookie is the one that is named, and none without a value", () => {
  const cookie = (env: NodeJS.ProcessEnv) => cookieOf(readSettings("plugin", {}, env));
  expect(cookie({})).toBeUndefined();
  expect(cookie({ PLUGIN_MAGIC_COOKIE_KEY: "KEY" })).toBeUndefined();
  expect(cookie({ PLUGIN_MAGIC_COOKIE_VALUE: "v" })).toEqual({ key: "PLUGIN_MAGIC_COOKIE", value: "v" });
  expect(cookie({ PLUGIN_MAGIC_COOKIE_KEY: "KEY", PLUGIN_MAGIC_COOKIE_VALUE: "v" })).toEqual({
    key: "KEY",
    value: "v",
  });
});
