import type { ClientTls } from "../../address/tls-options.ts";
import type { Log } from "../../base/log.ts";
import { readClientTls } from "../../node/tls/credentials.ts";
import { fieldToPem } from "../../node/tls/pem.ts";
import type { ThrowawayCertificate } from "../../node/tls/throwaway-certificate.ts";
import { createThrowawayCertificate } from "../../node/tls/throwaway-certificate.ts";
import type { BrokerOptions } from "../broker/create-broker.ts";
import { handshakeError } from "../errors.ts";
import type { Handshake } from "../handshake.ts";
import { settingError } from "../settings/errors.ts";
import type { HostSettings } from "../settings/read.ts";
import { secureConnections } from "./broker-tls.ts";
import type { ClientTlsSettings } from "./environment.ts";
import { clientNames, clientTlsOf } from "./environment.ts";

/** TLS between a host and one plugin. */
export interface HostTls {
  /** Variables for the plugin's environment. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * The TLS for this plugin, once it has said what it knows.
   * @throws PlugboardError PB-HANDSHAKE-*
   */
  agreeOn(handshake: Handshake): Promise<AgreedTls>;
}

/** The TLS that host and plugin speak. */
export interface AgreedTls {
  /** As connect() takes it, which finds it read. */
  readonly client: ClientTls;
  /** On connections of the broker, in both roles. */
  readonly secure: NonNullable<BrokerOptions["secure"]>;
}

/** The settings that count. */
export type HostTlsSettings = ClientTlsSettings & Pick<HostSettings, "PLUGIN_AUTO_MTLS">;

/**
 * Prepares TLS with one plugin.
 * @param wanted "auto": both sides make a certificate, and trust nothing but the other's. Default: as the settings say.
 * @param log Of the host.
 * @throws PlugboardError PB-TLS-UNREADABLE, PB-TLS-KEY, PB-SETTING-INVALID
 */
export async function prepareTls(
  wanted: "auto" | ClientTls | undefined,
  settings: HostTlsSettings,
  log: Log,
): Promise<HostTls | undefined> {
  if (wanted === "auto") {
    if (!settings.PLUGIN_AUTO_MTLS) {
      throw settingError(
        "PB-SETTING-INVALID",
        'tls is "auto", which autoMtls of the host, or PLUGIN_AUTO_MTLS, forbids',
        {
          hint: 'Allow it by autoMtls or PLUGIN_AUTO_MTLS, or load the plugin without tls: "auto".',
        },
      );
    }
    return automaticTls(await createThrowawayCertificate(), log);
  }
  const given = wanted ?? clientTlsOf(settings);
  if (given === undefined) {
    return undefined;
  }
  const names = wanted === undefined ? clientNames : undefined;
  const agreed = await agreedOn({ serverName: "localhost", ...given }, log, names);
  return { env: {}, agreeOn: async () => agreed };
}

async function agreedOn(client: ClientTls, log: Log, names?: typeof clientNames): Promise<AgreedTls> {
  const credentials = await readClientTls(client, { log, ...(names && { names }) });
  return { client, secure: secureConnections(credentials, client.serverName) };
}

function automaticTls({ certificate, key }: ThrowawayCertificate, log: Log): HostTls {
  return {
    env: { PLUGIN_CLIENT_CERT: certificate },
    async agreeOn({ certificate: field }) {
      if (field === "") {
        throw handshakeError(
          "PB-HANDSHAKE-CERTIFICATE-MISSING",
          "the plugin has made no certificate, which automatic TLS needs",
        );
      }
      const ofPlugin = fieldToPem(field);
      if (ofPlugin === undefined) {
        throw handshakeError("PB-HANDSHAKE-INVALID", "the certificate in the handshake can't be read");
      }
      return agreedOn({ roots: ofPlugin, certificate, key, serverName: "localhost" }, log);
    },
  };
}
