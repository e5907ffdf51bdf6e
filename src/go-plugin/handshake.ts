import { checkOptions } from "../plugin/check-options.ts";
import { handshakeError } from "./errors.ts";

/** A variable that tells a plugin that a host started it, and the value it has to have. It is no security measure. */
export interface MagicCookie {
  readonly key: string;
  readonly value: string;
}

/** Our own. */
export const magicCookie = {
  key: "PLUGBOARD_MAGIC_COOKIE",
  value: "8c4b7ef0b5e64d7c9d2b1c6f3a5e9d40",
} as const satisfies MagicCookie;

/**
 * Checks a cookie of an application.
 * @throws PlugboardError PB-COOKIE-INVALID, PB-OPTION-UNKNOWN
 */
export function checkCookie(cookie: MagicCookie): void {
  checkOptions("handshake.cookie", cookie, { key: true, value: true });
  const { key, value } = cookie;
  // Callers in JavaScript may leave one out.
  if (typeof key !== "string" || !/^[^=\0]+$/.test(key)) {
    throw handshakeError(
      "PB-COOKIE-INVALID",
      `the key of the handshake's cookie is ${JSON.stringify(key)}, which can't be the name of an environment variable`,
    );
  }
  if (typeof value !== "string" || !/^[^\0]+$/.test(value)) {
    throw handshakeError(
      "PB-COOKIE-INVALID",
      `the value of the handshake's cookie ${JSON.stringify(key)} is empty, or can't be the value of an environment variable`,
    );
  }
}

/** Version of the handshake itself; there is only this one. */
const coreProtocolVersion = 1;

/** The line in which a plugin process tells its host where it listens; HashiCorp go-plugin's. */
export interface Handshake {
  readonly appProtocolVersion: number;
  readonly network: string;
  readonly address: string;
  readonly protocol: string;
  /** The plugin's certificate, raw DER in unpadded base64; empty without TLS. */
  readonly certificate: string;
  /** True if the plugin can multiplex the broker's connections over the one that there is. */
  readonly multiplex: boolean;
}

/** Writes the line, without its end. */
export function formatHandshake(handshake: Handshake): string {
  const { appProtocolVersion, network, address, protocol, certificate, multiplex } = handshake;
  const fields = [coreProtocolVersion, appProtocolVersion, network, address, protocol, certificate];
  // Old hosts take a seventh field for a part of the sixth.
  return [...fields, ...(multiplex ? [true] : [])].join("|");
}

/**
 * Reads the line.
 * @throws PlugboardError PB-HANDSHAKE-INVALID if it is none, PB-HANDSHAKE-CORE-VERSION if it is of another version.
 */
export function parseHandshake(line: string): Handshake {
  const [core, app, network, address, protocol = "netrpc", certificate = "", multiplex] = line.trim().split("|");
  const shown = JSON.stringify(line.slice(0, 200));
  if (!/^\d+$/.test(core ?? "") || network === undefined || address === undefined) {
    throw handshakeError("PB-HANDSHAKE-INVALID", `the first line on stdout is not a handshake: ${shown}`);
  }
  if (Number(core) !== coreProtocolVersion) {
    throw handshakeError("PB-HANDSHAKE-CORE-VERSION", `the plugin speaks version ${core} of the handshake, not 1`);
  }
  if (!/^\d{1,9}$/.test(app ?? "") || address === "") {
    throw handshakeError("PB-HANDSHAKE-INVALID", `the handshake has no application version or no address: ${shown}`);
  }
  if (network === "unix" && !/^\/[^\0]*$/.test(address)) {
    // Found from here it would be another place than the plugin means, and what lies there is removed in the end.
    throw handshakeError("PB-HANDSHAKE-INVALID", `the socket in the handshake has no absolute path: ${shown}`);
  }
  return {
    appProtocolVersion: Number(app),
    network,
    address,
    protocol,
    certificate,
    multiplex: /^(?:1|t|true)$/i.test(multiplex ?? ""),
  };
}

/** Reads a comma-separated list of versions, the value of PLUGIN_PROTOCOL_VERSIONS; what is none is told apart. */
export function parseVersions(text: string): { readonly versions: readonly number[]; readonly others: string[] } {
  const parts = text.split(",").filter((part) => part !== "");
  const isVersion = (part: string) => /^\d{1,9}$/.test(part);
  return { versions: parts.filter(isVersion).map(Number), others: parts.filter((part) => !isVersion(part)) };
}

/** Variables that are between host and plugin process, and none of the plugin's business. */
const handshakeVariables = [
  magicCookie.key,
  "PLUGBOARD_CONFIG",
  "PLUGBOARD_PARENT",
  "PLUGBOARD_PROTOCOLS",
  "PLUGIN_CLIENT_CERT",
  "PLUGIN_CLIENT_KEY",
  "PLUGIN_MAX_PORT",
  "PLUGIN_MIN_PORT",
  "PLUGIN_MULTIPLEX_GRPC",
  "PLUGIN_PROTOCOL_VERSIONS",
  "PLUGIN_UNIX_SOCKET_DIR",
  "PLUGIN_UNIX_SOCKET_GROUP",
] as const;

/**
 * The environment without the variables of the handshake, for the plugin's own eyes and for processes it starts.
 * @param cookieKey That of the application's own cookie, if it has one.
 */
export function withoutHandshake(
  env: NodeJS.ProcessEnv,
  cookieKey?: string,
): Readonly<Record<string, string | undefined>> {
  const own = { ...env };
  for (const name of [...handshakeVariables, ...(cookieKey === undefined ? [] : [cookieKey])]) {
    delete own[name];
  }
  return own;
}
