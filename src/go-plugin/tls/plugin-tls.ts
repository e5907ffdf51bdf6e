import type { ServerTls } from "../../address/tls-options.ts";
import type { PlugboardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { createRareLog } from "../../base/log-rarely.ts";
import type { ServerCredentials } from "../../node/tls/credentials.ts";
import { readServerTls } from "../../node/tls/credentials.ts";
import { tlsError } from "../../node/tls/errors.ts";
import { certificatesIn, derToField } from "../../node/tls/pem.ts";
import { createThrowawayCertificate } from "../../node/tls/throwaway-certificate.ts";
import type { BrokerOptions } from "../broker/create-broker.ts";
import type { PluginSettings } from "../settings/read.ts";
import { secureConnections } from "./broker-tls.ts";
import type { ServerTlsSettings } from "./environment.ts";
import { serverTlsOf } from "./environment.ts";

/** The TLS of a plugin process. */
export interface PluginTls {
  /** On the listener. */
  readonly server: ServerCredentials;
  /** On connections of the broker, in both roles. */
  readonly secure: NonNullable<BrokerOptions["secure"]>;
  /** The certificate for the handshake: one that was made for this host, or nothing. */
  readonly certificate: string;
  /** Tells the log of connections that were refused. */
  readonly onRefused: (error: PlugboardError) => void;
}

/** The settings that count. */
export type PluginTlsSettings = ServerTlsSettings & Pick<PluginSettings, "PLUGIN_CLIENT_CERT" | "PLUGIN_AUTO_MTLS">;

/**
 * Finds out how a plugin process is to speak TLS: as its program says; else, if its host has sent a certificate, with
 * one that is made for it, and with that host alone; else as the environment says. Returns undefined for no TLS.
 * @param hosted True if a host has started it: only then PLUGIN_CLIENT_CERT is a host's.
 * @param log The served plugin's.
 * @throws PlugboardError PB-TLS-UNREADABLE, PB-TLS-KEY
 */
export async function pluginTls(
  given: ServerTls | undefined,
  settings: PluginTlsSettings,
  hosted: boolean,
  log: Log,
): Promise<PluginTls | undefined> {
  const { PLUGIN_CLIENT_CERT: ofHost, PLUGIN_AUTO_MTLS: isAllowed } = settings;
  if (given === undefined && hosted && ofHost !== undefined && isAllowed) {
    return automaticTls(ofHost, log);
  }
  if (given === undefined && hosted && ofHost !== undefined) {
    log.line(
      "WARNING",
      "the host asks for automatic TLS (AutoMTLS), but autoMtls (PLUGIN_AUTO_MTLS) is off for this plugin: the host's calls " +
        "will fail unless it trusts the plugin's certificate for another reason",
    );
  }
  const server = await (given === undefined ? serverTlsOf(settings, log) : readServerTls(given, { log }));
  return server && withServer(server, "", log);
}

async function automaticTls(ofHost: string, log: Log): Promise<PluginTls> {
  if (certificatesIn(ofHost) === undefined) {
    throw tlsError("PB-TLS-UNREADABLE", "PLUGIN_CLIENT_CERT contains no certificate that can be read", {
      hint: "The host has to send its certificate as PEM.",
    });
  }
  const { certificate, key, der } = await createThrowawayCertificate();
  return withServer(await readServerTls({ certificate, key, clientRoots: ofHost }, { log }), derToField(der), log);
}

function withServer(server: ServerCredentials, certificate: string, log: Log): PluginTls {
  return { server, secure: secureConnections(server), certificate, onRefused: createRefusalLog(log) };
}

/** Logs connections that were refused for TLS; of each code one in ten seconds. */
function createRefusalLog(log: Log): PluginTls["onRefused"] {
  const logRarely = createRareLog(log);
  return ({ errorCode, rawMessage }) => logRarely(errorCode, "WARNING", `a connection was refused: ${rawMessage}`);
}
