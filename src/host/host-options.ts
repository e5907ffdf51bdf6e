import type { LogLevel } from "../base/log.ts";
import { printableLine } from "../base/printable.ts";
import { checkGracePeriod } from "../call/time/grace-period.ts";
import type { MagicCookie } from "../go-plugin/handshake.ts";
import { settingError } from "../go-plugin/settings/errors.ts";
import type { HostSettings } from "../go-plugin/settings/read.ts";
import { readSettings } from "../go-plugin/settings/read.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";

/** Retries of a start that failed in a way that may pass, and the waits before them. */
export interface StartRetry {
  /** Retries after the first attempt, from 0 to 1,000. Default: 3. */
  readonly maxRetries?: number;
  /** Wait before the first retry, in whole milliseconds; it doubles with each further one. Default: 500. */
  readonly initialBackoffMs?: number;
  /** Longest wait between attempts, in whole milliseconds. Default: 5,000. */
  readonly maxBackoffMs?: number;
  /** A random time up to this is added to each wait, in whole milliseconds. Default: 100. */
  readonly jitterMs?: number;
  /** No retry begins later than this after the first attempt has begun, in milliseconds. Default: 60,000. */
  readonly totalTimeoutMs?: number;
}

/**
 * Options of a host for all its plugins. An option that is left out is read from the environment, by the names in
 * docs/settings.md, and else has its default.
 */
export interface HostOptions {
  /**
   * Milliseconds that a plugin may take to end after it was told to; then it is killed. `Infinity` for any number.
   * Default: 5,000.
   */
  readonly gracePeriodMs?: number;
  /**
   * Deadline of each call of its plugins that has none of its own, in milliseconds. A call that is to have none says `timeoutMs: 0`. Default:
   * none.
   */
  readonly timeoutMs?: number;
  /** Longest wait for the handshake of a plugin, in milliseconds, where load() has no `startTimeoutMs`. Default: 10,000. */
  readonly handshakeTimeoutMs?: number;
  /**
   * Longest wait after the handshake for a plugin's first response, in milliseconds, where load() has no `startTimeoutMs`.
   * Default: 30,000.
   */
  readonly connectionTimeoutMs?: number;
  /** Retries of a start that failed in a way that may pass; `false` for none. Default: as the fields of StartRetry say. */
  readonly retry?: StartRetry | false;
  /** Transports that a plugin may listen on; one that listens on another is refused. Default: ["unix", "tcp"]. */
  readonly transports?: readonly ("unix" | "tcp")[];
  /** True if load() may have `tls: "auto"`. Default: true. */
  readonly autoMtls?: boolean;
  /** The cookie that plugins are shown, where load() has no `handshake`. Default: Plugboard's own. */
  readonly cookie?: MagicCookie;
  /** The least urgent of Plugboard's own lines on stderr. Default: "INFO". */
  readonly logLevel?: LogLevel;
}

const optionNames: OptionNames<HostOptions> = {
  gracePeriodMs: true,
  timeoutMs: true,
  handshakeTimeoutMs: true,
  connectionTimeoutMs: true,
  retry: true,
  transports: true,
  autoMtls: true,
  cookie: true,
  logLevel: true,
};

const retryNames: OptionNames<StartRetry> = {
  maxRetries: true,
  initialBackoffMs: true,
  maxBackoffMs: true,
  jitterMs: true,
  totalTimeoutMs: true,
};

/**
 * Checks the options of a host, and reads from the environment what they leave out.
 * @throws PlugboardError PB-SETTING-INVALID, PB-OPTION-UNKNOWN, PB-LIMIT-INVALID
 */
export function readHostSettings(options: HostOptions, env: NodeJS.ProcessEnv): HostSettings {
  checkOptions("new Host()", options, optionNames);
  const { retry, cookie, gracePeriodMs } = options;
  if (gracePeriodMs !== undefined) {
    checkGracePeriod(gracePeriodMs);
  }
  const retries = retry || undefined;
  checkOptions("retry", retries, retryNames);
  checkOptions<MagicCookie>("cookie", cookie, { key: true, value: true });
  return readSettings(
    "host",
    {
      PLUGIN_HANDSHAKE_TIMEOUT: secondsOf("handshakeTimeoutMs", options.handshakeTimeoutMs),
      PLUGIN_CONNECTION_TIMEOUT: secondsOf("connectionTimeoutMs", options.connectionTimeoutMs),
      PLUGIN_CLIENT_RETRY_ENABLED: retry === undefined ? undefined : retry !== false,
      PLUGIN_CLIENT_MAX_RETRIES: retries?.maxRetries,
      PLUGIN_CLIENT_INITIAL_BACKOFF_MS: retries?.initialBackoffMs,
      PLUGIN_CLIENT_MAX_BACKOFF_MS: retries?.maxBackoffMs,
      PLUGIN_CLIENT_RETRY_JITTER_MS: retries?.jitterMs,
      PLUGIN_CLIENT_RETRY_TOTAL_TIMEOUT_S: secondsOf("retry.totalTimeoutMs", retries?.totalTimeoutMs),
      PLUGIN_CLIENT_TRANSPORTS: options.transports,
      PLUGIN_AUTO_MTLS: options.autoMtls,
      PLUGIN_MAGIC_COOKIE_KEY: cookie?.key,
      PLUGIN_MAGIC_COOKIE_VALUE: cookie?.value,
      PLUGIN_LOG_LEVEL: options.logLevel,
    },
    env,
  );
}

const day = 24 * 60 * 60 * 1000;

/** Options are in milliseconds, where some variables are in seconds. */
function secondsOf(name: string, milliseconds: number | undefined): number | undefined {
  if (milliseconds === undefined) {
    return undefined;
  }
  if (!(milliseconds >= 1 && milliseconds <= day)) {
    const shown = printableLine(String(milliseconds));
    throw settingError("PB-SETTING-INVALID", `${name} is ${shown}; allowed is a number from 1 to ${day}`);
  }
  return milliseconds / 1000;
}
