import { logLevels } from "../../base/log.ts";
import type { SettingKind } from "./kinds.ts";
import { boolean, decimalNumber, listOf, oneOf, pem, text, wholeNumber } from "./kinds.ts";

/** The reader of a setting: a plugin process, or a host. */
export type Side = "plugin" | "host";

/** All there is to say of one setting. */
export interface Setting<Value = unknown, Reader extends Side | "both" = Side | "both"> {
  readonly readBy: Reader;
  readonly kind: SettingKind<unknown>;
  /** `undefined` where there is none. */
  readonly default: Value;
  /** Never shown, in errors neither. */
  readonly secret?: boolean;
  /** A description, for the documentation. */
  readonly meaning: string;
  /** The options that say the same: of `serve()`, and of `new Host()`. */
  readonly options: OptionsOfSides;
}

/** The option's name on each side. */
type OptionsOfSides = { readonly [S in Side]?: string };

/** Says whose setting it is, of what kind and by what default. */
function setting<Reader extends Side | "both", Value, const Default extends Value | undefined>(
  readBy: Reader,
  kind: SettingKind<Value>,
  byDefault: Default,
  meaning: string,
  { secret = false, ...options }: { readonly secret?: boolean } & OptionsOfSides = {},
): Setting<Value | (Default extends undefined ? undefined : never), Reader> {
  // A default is a value, or there is none.
  const value = byDefault as Value | (Default extends undefined ? undefined : never);
  return { readBy, kind, default: value, meaning, secret, options };
}

const secret = { secret: true };
const transports = listOf(["unix", "tcp"]);
/** Longest time that a setting can name; timers of Node's hold no more than 24 days. */
const day = 24 * 60 * 60;
const milliseconds = (from: number) => wholeNumber(from, 60 * 60 * 1000);
const seconds = decimalNumber(0.001, day);

/**
 * The settings that a process reads from its environment: the names of the go-plugin family, with the meanings that
 * pyvider.rpcplugin gives them. Types, defaults, checks and the table in docs/settings.md are all made from this.
 */
export const settingsSchema = {
  PLUGIN_SERVER_TRANSPORTS: setting(
    "plugin",
    transports,
    ["unix", "tcp"],
    "Where a plugin that a host has started listens, if nothing else says: the first that can be used here. TCP is the loopback interface.",
    { plugin: "transports" },
  ),
  PLUGIN_SERVER_ENDPOINT: setting(
    "plugin",
    text(
      'an absolute path, with unix: before it or without, or host:port, with tcp: or without; no "|" in it',
      /^((unix:(\/\/)?)?\/[^\0|\r\n]+|(tcp:(\/\/)?)?(\[[\da-f:.]+\]|[a-z\d._-]+):\d{1,5})$/i,
    ),
    undefined,
    "Where a plugin listens, with a host and without; `--listen` goes before. Each process needs one of its own.",
    { plugin: "listen" },
  ),
  PLUGIN_CLIENT_TRANSPORTS: setting(
    "host",
    transports,
    ["unix", "tcp"],
    "Where a plugin may listen; one that says it listens elsewhere is refused.",
    { host: "transports" },
  ),
  PLUGIN_AUTO_MTLS: setting(
    "both",
    boolean,
    true,
    "Whether a host may have both sides make throw-away certificates, and whether a plugin does so for a host that asks.",
    { plugin: "autoMtls", host: "autoMtls" },
  ),
  PLUGIN_SERVER_CERT: setting("plugin", pem, undefined, "Certificate of the plugin.", {
    ...secret,
    plugin: "tls.certificate",
  }),
  PLUGIN_SERVER_KEY: setting("plugin", pem, undefined, "Its key.", { ...secret, plugin: "tls.key" }),
  PLUGIN_CLIENT_ROOT_CERTS: setting(
    "plugin",
    pem,
    undefined,
    "Who may have issued the certificates of callers; if set, a caller needs one.",
    { ...secret, plugin: "tls.clientRoots" },
  ),
  PLUGIN_CLIENT_CERT: setting(
    "both",
    pem,
    undefined,
    "Certificate of the host. In the environment of a plugin process it is that of the host that has started it.",
    secret,
  ),
  PLUGIN_CLIENT_KEY: setting("host", pem, undefined, "Its key.", secret),
  PLUGIN_SERVER_ROOT_CERTS: setting(
    "host",
    pem,
    undefined,
    "Who may have issued the certificates of plugins. Default: the one certificate that the handshake names.",
    secret,
  ),
  PLUGIN_MAGIC_COOKIE_KEY: setting(
    "both",
    text("the name of an environment variable", /^[A-Za-z_]\w*$/),
    "PLUGIN_MAGIC_COOKIE",
    "The variable by which a plugin knows that a host has started it. Only counts if there is a value for it.",
    { plugin: "handshake.cookie.key", host: "cookie.key" },
  ),
  PLUGIN_MAGIC_COOKIE_VALUE: setting(
    "both",
    text("any text", /^[^\0]+$/),
    undefined,
    "The value that the variable has to have. Plugboard's own cookie always counts for a plugin, and is what a host shows by default.",
    { ...secret, plugin: "handshake.cookie.value", host: "cookie.value" },
  ),
  PLUGIN_PROTOCOL_VERSIONS: setting(
    "plugin",
    text("whole numbers, separated by commas; others are ignored with a warning, as in go-plugin", /^[^\0]*$/),
    "",
    "Versions of the application protocol that the host speaks; hosts set it.",
  ),
  PLUGIN_HANDSHAKE_TIMEOUT: setting(
    "host",
    seconds,
    10,
    "Longest wait for the handshake of a plugin, in seconds; `startTimeoutMs` goes before.",
    { host: "handshakeTimeoutMs" },
  ),
  PLUGIN_CONNECTION_TIMEOUT: setting(
    "host",
    seconds,
    30,
    "Longest wait after the handshake for the plugin's first response, in seconds; `startTimeoutMs` goes before.",
    { host: "connectionTimeoutMs" },
  ),
  PLUGIN_CLIENT_RETRY_ENABLED: setting(
    "host",
    boolean,
    true,
    "Whether a start that failed by chance is tried again; see below.",
    { host: "retry" },
  ),
  PLUGIN_CLIENT_MAX_RETRIES: setting("host", wholeNumber(0, 1000), 3, "How often, after the first attempt.", {
    host: "retry.maxRetries",
  }),
  PLUGIN_CLIENT_INITIAL_BACKOFF_MS: setting(
    "host",
    milliseconds(1),
    500,
    "Wait before the second attempt, in milliseconds. It doubles with each further one.",
    { host: "retry.initialBackoffMs" },
  ),
  PLUGIN_CLIENT_MAX_BACKOFF_MS: setting("host", milliseconds(1), 5000, "Longest wait between attempts.", {
    host: "retry.maxBackoffMs",
  }),
  PLUGIN_CLIENT_RETRY_JITTER_MS: setting(
    "host",
    milliseconds(0),
    100,
    "Added to each wait: a random time up to this, in milliseconds.",
    { host: "retry.jitterMs" },
  ),
  PLUGIN_CLIENT_RETRY_TOTAL_TIMEOUT_S: setting(
    "host",
    seconds,
    60,
    "When so many seconds have passed since the first attempt began, no other begins. One that runs is not cut short.",
    { host: "retry.totalTimeoutMs" },
  ),
  PLUGIN_SHUTDOWN_FILE_PATH: setting(
    "plugin",
    text("the path of a file", /^[^\0]+$/),
    undefined,
    "When this file is there, the plugin removes it and stops gracefully. Each process needs one of its own.",
    { plugin: "shutdownFile" },
  ),
  PLUGIN_RATE_LIMIT_ENABLED: setting(
    "plugin",
    boolean,
    false,
    "Whether the plugin limits the rate of calls; see below.",
    { plugin: "processRateLimit" },
  ),
  PLUGIN_RATE_LIMIT_REQUESTS_PER_SECOND: setting(
    "plugin",
    decimalNumber(0.001, 1_000_000),
    100,
    "How many calls a second, in the long run.",
    { plugin: "processRateLimit.perSecond" },
  ),
  PLUGIN_RATE_LIMIT_BURST_CAPACITY: setting(
    "plugin",
    decimalNumber(1, 1_000_000_000),
    200,
    "How many calls at once, after a quiet time.",
    { plugin: "processRateLimit.burst" },
  ),
  PLUGIN_HEALTH_SERVICE_ENABLED: setting("plugin", boolean, true, "Whether the plugin serves grpc.health.v1.Health.", {
    plugin: "services",
  }),
  PLUGIN_LOG_LEVEL: setting(
    "both",
    // hclog's names; nothing of ours is as urgent as CRITICAL.
    oneOf(logLevels, { TRACE: "DEBUG", WARN: "WARNING", OFF: "CRITICAL" }),
    "INFO",
    "The least urgent of Plugboard's own lines on stderr. What a plugin prints itself is not its business.",
    { plugin: "logLevel", host: "logLevel" },
  ),
} as const;

type Schema = typeof settingsSchema;

/** Name of a setting: that of its environment variable. */
type SettingName = keyof Schema;

/** The settings of one side. */
export type SettingsOf<S extends Side> = {
  readonly [Name in SettingName as Schema[Name]["readBy"] extends S | "both" ? Name : never]: Schema[Name]["default"];
};
