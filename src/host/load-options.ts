import type { ClientTls } from "../address/tls-options.ts";
import { clientTlsNames } from "../address/tls-options.ts";
import type { ConnectOptions } from "../client/connect.ts";
import type { Requirements } from "../client/routes/negotiate.ts";
import { requirementNames } from "../client/routes/negotiate.ts";
import type { Token } from "../client/token.ts";
import type { GoPluginHandshake } from "../go-plugin/launch-environment.ts";
import type { OutputListeners } from "../go-plugin/plugin-output.ts";
import { checkOptions } from "../plugin/check-options.ts";
import type { ConfigInit } from "../plugin/config-json.ts";
import { hostError } from "./errors.ts";

/** Options for loading a plugin. */
export interface LoadOptions
  extends OutputListeners,
    Pick<
      ConnectOptions,
      "require" | "fallback" | "interceptors" | "protocolVersions" | "maxMessageBytes" | "keepalive" | "signal"
    > {
  /** The program and its arguments. No shell is involved. */
  readonly command: readonly [string, ...string[]];
  /**
   * Deadline of each call that has none of its own, in milliseconds. A call that is to have none says `timeoutMs: 0`. Default:
   * the host's.
   */
  readonly timeoutMs?: number;
  /**
   * The host's token, for a plugin with `auth` that others can call, too, as it listens at an endpoint of its own; see
   * connect(). Elsewhere a plugin trusts its host without. Default: none.
   */
  readonly token?: Token;
  /** Working directory. Default: the host's. */
  readonly cwd?: string;
  /** Added to what the plugin gets of the host's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Further variables of the host's environment that the plugin gets; true: all of them but PLUGIN_*_KEY. Default: those of
   * docs/settings.md ("What a plugin gets of its host's environment"), none of which is a secret.
   */
  readonly inheritEnv?: true | readonly string[];
  /** The plugin's configuration: a message of its config schema, its fields, or protobuf JSON. */
  readonly config?: ConfigInit;
  /**
   * Milliseconds to wait for the handshake and the first response together. Default: the host's `handshakeTimeoutMs`, and then
   * its `connectionTimeoutMs`.
   */
  readonly startTimeoutMs?: number;
  /**
   * For a plugin made with HashiCorp's go-plugin, or for its hosts: what its author has agreed on with them. The host then
   * does as those do: it speaks gRPC and has a broker, also with a plugin of Plugboard. Messages may have 64 MiB, unless
   * `maxMessageBytes` says else. Default: the plugin is one of Plugboard.
   */
  readonly handshake?: GoPluginHandshake;
  /**
   * The SHA-256 of the command's file, in hexadecimal; a file with another is not started. Of an interpreter and a
   * script it is the interpreter that is checked. Where others than this user and root could change or replace it, a
   * copy is started, from a directory of this user's own. Default: any.
   */
  readonly sha256?: string;
  /**
   * Let Node keep what it compiles of this command, for it alone, so that it starts faster from the second time on, if a file
   * is named in it. Default: true, unless `sha256` is given, which a cache is not checked for.
   */
  readonly compileCache?: boolean;
  /**
   * Speak TLS with the plugin. "auto": host and plugin each make a certificate for this one start, and trust nothing but
   * the other's, as with AutoMTLS of go-plugin. Otherwise for a plugin with certificates of its own; its certificate then
   * has to carry the name "localhost", or `serverName`. Default: as the variables PLUGIN_CLIENT_CERT, PLUGIN_CLIENT_KEY and
   * PLUGIN_SERVER_ROOT_CERTS say, and no TLS without them.
   */
  readonly tls?: "auto" | ClientTls;
}

const isText = (value: unknown): boolean => typeof value === "string";
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isRecordOfTexts = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(isText);

type Check = readonly [fits: (value: unknown) => boolean, wanted: string];

/**
 * The check of each option, as commands come from files, and callers in JavaScript have no types. `true` for an option
 * that is checked where it is used.
 */
const checks: Readonly<Record<keyof LoadOptions, Check | true>> = {
  command: [(value) => isTexts(value) && (value as readonly string[]).length > 0, "a list of texts, the program first"],
  cwd: [isText, "a text"],
  env: [isRecordOfTexts, "a record of texts"],
  inheritEnv: [(value) => value === true || isTexts(value), "true, or a list of names"],
  compileCache: [(value) => typeof value === "boolean", "true or false"],
  sha256: [isText, "a text"],
  startTimeoutMs: [(value) => typeof value === "number" && value >= 0, "a number of milliseconds"],
  onOutput: [(value) => typeof value === "function", "a function"],
  onLog: [(value) => typeof value === "function", "a function"],
  keepalive: true,
  token: true,
  config: true,
  timeoutMs: true,
  handshake: true,
  tls: true,
  require: true,
  fallback: true,
  interceptors: true,
  protocolVersions: true,
  maxMessageBytes: true,
  signal: true,
};

/**
 * Checks options before anything is made for them.
 * @throws PlugboardError PB-LAUNCH-OPTION, PB-OPTION-UNKNOWN
 */
export function checkLoadOptions(options: LoadOptions): void {
  const { handshake, require, tls } = options;
  checkOptions<LoadOptions>("load()", options, checks);
  checkOptions<GoPluginHandshake>("handshake", handshake, { cookie: true, protocolVersions: true });
  checkOptions<Requirements>("require", require, requirementNames);
  checkOptions<ClientTls>("tls", tls === "auto" ? undefined : tls, clientTlsNames);
  for (const [name, check] of Object.entries(checks)) {
    const value = options[name as keyof LoadOptions];
    if (check !== true && (value === undefined ? name === "command" : !check[0](value))) {
      // Not the value: there may be secrets in it.
      throw hostError("PB-LAUNCH-OPTION", `the option ${name} of host.load is not ${check[1]}`);
    }
  }
}
