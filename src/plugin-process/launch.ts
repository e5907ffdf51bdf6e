import { parseArgs } from "node:util";
import { printableLine } from "../base/printable.ts";
import type { MagicCookie } from "../go-plugin/handshake.ts";
import { checkCookie, magicCookie, parseVersions } from "../go-plugin/handshake.ts";
import { settingError } from "../go-plugin/settings/errors.ts";
import type { PluginSettings } from "../go-plugin/settings/read.ts";
import type { ListenAddress } from "../node/listen/listen-address.ts";
import { parseListenAddress } from "../node/listen/listen-address.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { pickProtocolVersion } from "../plugin/protocol-version.ts";
import { processError } from "./errors.ts";

/** The start of this process: by a host, or standalone. */
export type Launch = HostedLaunch | { readonly kind: "standalone"; readonly listenAt: ListenAddress };

/** It was started by a host, which waits for the handshake. */
export interface HostedLaunch {
  readonly kind: "hosted";
  /**
   * "plugboard" for a host of ours, which says so; "go-plugin" for one written with go-plugin, or that does as those
   * do.
   */
  readonly host: "plugboard" | "go-plugin";
  /**
   * True if the host wants its socket directory removed, even if it is gone itself. Those of go-plugin do not say so.
   */
  readonly removesDirectory: boolean;
  readonly protocolVersion: number;
  /** The protocol that the handshake names. */
  readonly protocol: (typeof handshakeProtocols)[number];
  /** The address to listen on, if the command line, an option or a variable says so. */
  readonly listenAt: ListenAddress | undefined;
  /** The directory for the socket; `undefined`: one that this process makes. */
  readonly socketDirectory: string | undefined;
  /** The group that may use the socket, too: its name or number. */
  readonly socketGroup: string | undefined;
  /** The host's word on multiplexing: it did not ask, it can but does not want it, or it wants it. */
  readonly multiplex: "unasked" | "unwanted" | "wanted";
}

/** Protocols that a handshake can name, and that the listener serves. */
const handshakeProtocols = ["ttrpc", "grpc", "connect"] as const;

/** The settings that say how to be launched. */
type LaunchSettings = Pick<
  PluginSettings,
  "PLUGIN_PROTOCOL_VERSIONS" | "PLUGIN_SERVER_ENDPOINT" | "PLUGIN_SERVER_TRANSPORTS"
>;

/**
 * Finds out how this process was started: by a host that knows the magic cookie, or with an address to listen on, by
 * `--listen`, an option or a variable. Returns `undefined` if neither is so, as when a user just runs the program to see what it
 * is.
 * @param cookie The application's own. Ours counts, too.
 * @throws PlugboardError PB-COMMAND-LINE, PB-SETTING-INVALID, PB-COOKIE-INVALID; PB-COOKIE-MISMATCH if it was a host that
 * does not know the cookie
 */
export function readLaunch(
  plugin: Plugin,
  env: NodeJS.ProcessEnv,
  args: readonly string[],
  settings: LaunchSettings,
  cookie: MagicCookie | undefined,
): Launch | undefined {
  if (cookie !== undefined) {
    checkCookie(cookie);
  }
  const listenAt = readListenOption(args) ?? readEndpoint(settings);
  const cookies = [magicCookie, ...(cookie ? [cookie] : [])];
  if (!cookies.some(({ key, value }) => env[key] === value)) {
    if (listenAt !== undefined) {
      return { kind: "standalone", listenAt };
    }
    tellMismatch(env, cookies, cookie);
    refuseUnknownOption(args);
    return undefined;
  }
  const isOurs = env.PLUGBOARD_PROTOCOLS !== undefined || env.PLUGBOARD_PARENT !== undefined;
  const preferred = env.PLUGBOARD_PROTOCOLS?.split(",");
  const multiplex = env.PLUGIN_MULTIPLEX_GRPC ?? "";
  return {
    kind: "hosted",
    host: isOurs && !preferred?.includes("go-plugin") ? "plugboard" : "go-plugin",
    removesDirectory: isOurs,
    protocolVersion: agreeOnVersion(plugin, settings.PLUGIN_PROTOCOL_VERSIONS, isOurs),
    protocol: preferred?.flatMap((each) => handshakeProtocols.find((known) => known === each) ?? [])[0] ?? "grpc",
    // Of the transports the first; both can be used here.
    listenAt: listenAt ?? (settings.PLUGIN_SERVER_TRANSPORTS[0] === "tcp" ? loopbackPort(env) : undefined),
    socketDirectory: env.PLUGIN_UNIX_SOCKET_DIR || undefined,
    socketGroup: env.PLUGIN_UNIX_SOCKET_GROUP || undefined,
    multiplex: multiplex === "" ? "unasked" : /^(?:1|t|true)$/i.test(multiplex) ? "wanted" : "unwanted",
  };
}

/** Variables that hosts of all kinds set, and that users who run a program by hand don't. */
const signsOfHost = ["PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_MIN_PORT", "PLUGBOARD_PARENT"] as const;

/** Refuses to be taken for run by hand if it was a host that has started this, with another cookie. */
function tellMismatch(env: NodeJS.ProcessEnv, cookies: readonly MagicCookie[], own: MagicCookie | undefined) {
  const wrong = cookies.find(({ key }) => env[key]);
  if (wrong !== undefined) {
    throw processError("PB-COOKIE-MISMATCH", `${wrong.key} is set to another value than serve() expects`);
  }
  if (signsOfHost.some((name) => env[name])) {
    const lacks = own === undefined ? "serve() was not given its cookie" : `it did not set ${own.key}`;
    throw processError("PB-COOKIE-MISMATCH", `a host has started this plugin, but ${lacks}`);
  }
}

/** The highest version that both sides know. A host of go-plugin's that knows none, or tells none, gets the lowest. */
function agreeOnVersion(plugin: Plugin, told: string, isOurs: boolean): number {
  const { versions, others } = parseVersions(told);
  if (others.length > 0) {
    process.stderr.write(
      `PLUGIN_PROTOCOL_VERSIONS: ${JSON.stringify(others.join(","))} is ignored; allowed are whole numbers\n`,
    );
  }
  const lowest = Math.min(...plugin.protocolVersions);
  if (versions.length === 0 && !isOurs) {
    return lowest;
  }
  return pickProtocolVersion(plugin.protocolVersions, versions) ?? lowest;
}

/** A port of the loopback interface, of those that the host allows; any if it says nothing. */
function loopbackPort(env: NodeJS.ProcessEnv): ListenAddress {
  const [port, lastPort] = [readPort(env, "PLUGIN_MIN_PORT"), readPort(env, "PLUGIN_MAX_PORT")];
  if (port > lastPort) {
    throw settingError("PB-SETTING-INVALID", `PLUGIN_MIN_PORT is ${port}, more than PLUGIN_MAX_PORT, ${lastPort}`);
  }
  return { carrier: "tcp", host: "127.0.0.1", port, lastPort };
}

function readPort(env: NodeJS.ProcessEnv, name: "PLUGIN_MIN_PORT" | "PLUGIN_MAX_PORT"): number {
  const text = env[name] || "0";
  if (!/^\d{1,5}$/.test(text) || Number(text) > 0xffff) {
    throw settingError("PB-SETTING-INVALID", `${name} is ${JSON.stringify(printableLine(text))}, which is not a port`);
  }
  return Number(text);
}

/**
 * Refuses misspelt options of a user who runs the program by hand. With a host, or --listen, options are the plugin's
 * own.
 */
function refuseUnknownOption(args: readonly string[]): void {
  const { tokens } = parseArgs({ args: [...args], strict: false, tokens: true });
  const unknown = tokens.find((token) => token.kind === "option" && !["help", "h"].includes(token.name));
  if (unknown?.kind === "option") {
    const shown = printableLine(unknown.rawName);
    throw processError(
      "PB-COMMAND-LINE",
      `${shown} does not say where to listen, and the plugin was not started by a host`,
    );
  }
}

function readListenOption(args: readonly string[]): ListenAddress | undefined {
  // Other options are the plugin's own business.
  const { values } = parseArgs({ args: [...args], options: { listen: { type: "string" } }, strict: false });
  if (values.listen === undefined) {
    return undefined;
  }
  if (typeof values.listen !== "string") {
    throw processError("PB-COMMAND-LINE", "--listen has no value");
  }
  const address = parseListenAddress(values.listen);
  if (address === undefined) {
    throw processError("PB-COMMAND-LINE", notAnAddress("--listen", values.listen));
  }
  return address;
}

function readEndpoint({ PLUGIN_SERVER_ENDPOINT: endpoint }: LaunchSettings): ListenAddress | undefined {
  if (endpoint === undefined) {
    return undefined;
  }
  const scheme = /^(unix|tcp):/i.test(endpoint) ? "" : endpoint.startsWith("/") ? "unix:" : "tcp:";
  const address = parseListenAddress(`${scheme}${endpoint}`);
  if (address === undefined) {
    throw settingError("PB-SETTING-INVALID", notAnAddress("listen (PLUGIN_SERVER_ENDPOINT)", endpoint));
  }
  return address;
}

function notAnAddress(source: string, text: string): string {
  return `${source} is ${JSON.stringify(printableLine(text))}, which is not an address to listen on`;
}
