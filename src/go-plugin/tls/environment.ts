import type { ClientTls } from "../../address/tls-options.ts";
import type { Log } from "../../base/log.ts";
import type { ServerCredentials } from "../../node/tls/credentials.ts";
import { readServerTls } from "../../node/tls/credentials.ts";
import type { HostSettings, PluginSettings } from "../settings/read.ts";

const serverNames = {
  certificate: "PLUGIN_SERVER_CERT",
  key: "PLUGIN_SERVER_KEY",
  clientRoots: "PLUGIN_CLIENT_ROOT_CERTS",
} as const;

/** The settings that give a host its certificates. */
export const clientNames = {
  certificate: "PLUGIN_CLIENT_CERT",
  key: "PLUGIN_CLIENT_KEY",
  roots: "PLUGIN_SERVER_ROOT_CERTS",
} as const;

/** The settings with a plugin process's certificates. */
export type ServerTlsSettings = Pick<PluginSettings, (typeof serverNames)[keyof typeof serverNames]>;

/** The settings with a host's certificates. */
export type ClientTlsSettings = Pick<HostSettings, (typeof clientNames)[keyof typeof clientNames]>;

/**
 * The TLS of a plugin process by PLUGIN_SERVER_CERT, PLUGIN_SERVER_KEY and PLUGIN_CLIENT_ROOT_CERTS; undefined if none is
 * set.
 * @throws PlugboardError PB-TLS-UNREADABLE, PB-TLS-KEY
 */
export async function serverTlsOf(settings: ServerTlsSettings, log?: Log): Promise<ServerCredentials | undefined> {
  const given = withoutUnset({
    certificate: settings.PLUGIN_SERVER_CERT,
    key: settings.PLUGIN_SERVER_KEY,
    clientRoots: settings.PLUGIN_CLIENT_ROOT_CERTS,
  });
  return Object.keys(given).length === 0
    ? undefined
    : readServerTls(given, { names: serverNames, ...(log && { log }) });
}

/**
 * The TLS options of a host in PLUGIN_CLIENT_CERT, PLUGIN_CLIENT_KEY and PLUGIN_SERVER_ROOT_CERTS; undefined if none is
 * set.
 *
 * PLUGIN_CLIENT_CERT has two meanings. In the environment of a plugin process it is the certificate of the host that has
 * started it; `serve()` takes it out, and the key with it, so that a host in the same process does not take it for its
 * own. For a host it is its own certificate, if there is a key to it: alone it has come from some host further up.
 */
export function clientTlsOf(settings: ClientTlsSettings): ClientTls | undefined {
  const { PLUGIN_CLIENT_CERT: certificate, PLUGIN_CLIENT_KEY: key, PLUGIN_SERVER_ROOT_CERTS: roots } = settings;
  const isOwn = certificate !== undefined && key !== undefined;
  const given = withoutUnset({ roots, ...(isOwn && { certificate, key }) });
  return Object.keys(given).length === 0 ? undefined : given;
}

function withoutUnset<T extends object>(values: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  // Only what is left out can be undefined.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };
}
