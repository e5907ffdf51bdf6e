import type { ConfigInit } from "../plugin/config-json.ts";
import { configText } from "../plugin/config-json.ts";
import { pluginError } from "../plugin/errors.ts";
import { checkProtocolVersions } from "../plugin/protocol-version.ts";
import type { MagicCookie } from "./handshake.ts";
import { checkCookie, magicCookie } from "./handshake.ts";

/** The handshake that the author of a plugin made for go-plugin's hosts has agreed on with them. */
export interface GoPluginHandshake {
  /** The environment variable that tells the plugin that a host has started it. It is no security measure. */
  readonly cookie: MagicCookie;
  /** Application protocol versions that the caller speaks. Default: `protocolVersions` beside the handshake, or any. */
  readonly protocolVersions?: readonly number[];
}

/** The handshake variables in a plugin process's environment. */
export interface LaunchEnvironment {
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly config: ConfigInit | undefined;
  readonly cookie: MagicCookie | undefined;
  readonly protocolVersions: readonly number[] | undefined;
  /** True if a plugin of Plugboard, too, is to treat the host as one of go-plugin's, with a broker over gRPC. */
  readonly asGoPlugin: boolean;
}

/** Ports that go-plugin's hosts allow, for plugins that can't listen on Unix sockets. */
const goPluginPorts = { PLUGIN_MIN_PORT: "10000", PLUGIN_MAX_PORT: "25000" } as const;

/**
 * The variables to add to the host's environment.
 * @throws PlugboardError PB-COOKIE-INVALID, PB-PLUGIN-PROTOCOL-VERSIONS
 */
export function launchEnvironment({ env, config, cookie, protocolVersions, asGoPlugin }: LaunchEnvironment) {
  if (cookie !== undefined) {
    checkCookie(cookie);
  }
  checkProtocolVersions(protocolVersions ?? []);
  const { key, value } = cookie ?? magicCookie;
  return {
    ...(cookie && goPluginPorts),
    ...env,
    [key]: value,
    PLUGBOARD_PARENT: "stdin",
    PLUGBOARD_PROTOCOLS: asGoPlugin ? "go-plugin" : "ttrpc,grpc,connect",
    ...(protocolVersions?.length && { PLUGIN_PROTOCOL_VERSIONS: protocolVersions.join(",") }),
    ...(config !== undefined && { PLUGBOARD_CONFIG: textOf(config) }),
  };
}

function textOf(config: ConfigInit): string {
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw pluginError("PB-CONFIG-INVALID", "the configuration is not an object");
  }
  try {
    return configText(config);
  } catch {
    // It contains itself, or is too deep. The error may quote values, which may be secret.
    throw pluginError("PB-CONFIG-INVALID", "the configuration can't be written as JSON");
  }
}
