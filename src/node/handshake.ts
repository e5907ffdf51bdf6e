import { PlugboardError } from "../plugin/errors.ts";

/** Our magic cookie. It tells a plugin that a host started it, and is no security measure. */
export const magicCookie = {
  key: "PLUGBOARD_MAGIC_COOKIE",
  value: "8c4b7ef0b5e64d7c9d2b1c6f3a5e9d40",
} as const;

/** Version of the handshake itself; there is only this one. */
const coreProtocolVersion = 1;

/** The line by which a plugin process tells its host where it listens; HashiCorp go-plugin's. */
export interface Handshake {
  readonly appProtocolVersion: number;
  readonly network: string;
  readonly address: string;
  readonly protocol: string;
  /** The plugin's certificate, raw DER in unpadded base64; empty without TLS. */
  readonly certificate: string;
}

/** Writes the line, without its end. */
export function formatHandshake({ appProtocolVersion, network, address, protocol, certificate }: Handshake): string {
  return [coreProtocolVersion, appProtocolVersion, network, address, protocol, certificate].join("|");
}

/**
 * Reads the line.
 * @throws PlugboardError PB-HANDSHAKE-INVALID if it is none, PB-HANDSHAKE-CORE-VERSION if it is of another version.
 */
export function parseHandshake(line: string): Handshake {
  const [core, app, network, address, protocol = "netrpc", certificate = ""] = line.trim().split("|");
  const shown = JSON.stringify(line.slice(0, 200));
  if (!/^\d+$/.test(core ?? "") || network === undefined || address === undefined) {
    throw new PlugboardError("PB-HANDSHAKE-INVALID", `the first line on stdout is no handshake: ${shown}`);
  }
  if (Number(core) !== coreProtocolVersion) {
    throw new PlugboardError("PB-HANDSHAKE-CORE-VERSION", `the plugin speaks version ${core} of the handshake, not 1`);
  }
  if (!/^\d{1,9}$/.test(app ?? "") || address === "") {
    throw new PlugboardError(
      "PB-HANDSHAKE-INVALID",
      `the handshake has no application version or no address: ${shown}`,
    );
  }
  return { appProtocolVersion: Number(app), network, address, protocol, certificate };
}

/**
 * Reads a comma-separated list of versions, such as the value of PLUGIN_PROTOCOL_VERSIONS.
 * @throws PlugboardError PB-HANDSHAKE-ENVIRONMENT
 */
export function parseVersions(variable: string, text: string): readonly number[] {
  const parts = text.split(",").map((part) => part.trim());
  if (!parts.every((part) => /^\d{1,9}$/.test(part))) {
    throw new PlugboardError(
      "PB-HANDSHAKE-ENVIRONMENT",
      `${variable} is ${JSON.stringify(text)}; allowed are whole numbers, separated by commas`,
    );
  }
  return parts.map(Number);
}

/** Variables that are between host and plugin process, and none of the plugin's business. */
const handshakeVariables = [
  magicCookie.key,
  "PLUGBOARD_CONFIG",
  "PLUGBOARD_PARENT",
  "PLUGBOARD_PROTOCOLS",
  "PLUGIN_CLIENT_CERT",
  "PLUGIN_MAX_PORT",
  "PLUGIN_MIN_PORT",
  "PLUGIN_MULTIPLEX_GRPC",
  "PLUGIN_PROTOCOL_VERSIONS",
  "PLUGIN_UNIX_SOCKET_DIR",
  "PLUGIN_UNIX_SOCKET_GROUP",
] as const;

/** The environment without the variables of the handshake, for the plugin's own eyes and for processes it starts. */
export function withoutHandshake(env: NodeJS.ProcessEnv): Readonly<Record<string, string | undefined>> {
  const own = { ...env };
  for (const name of handshakeVariables) {
    delete own[name];
  }
  return own;
}
