import type { ClientTls, ServerTls } from "../../address/tls-options.ts";
import { fieldToPem } from "../../node/tls/pem.ts";
import { readClientTls } from "../../node/tls/read-pem.ts";
import type { ThrowawayCertificate } from "../../node/tls/throwaway-certificate.ts";
import { createThrowawayCertificate } from "../../node/tls/throwaway-certificate.ts";
import type { BrokerOptions } from "../broker/create-broker.ts";
import { handshakeError } from "../errors.ts";
import type { Handshake } from "../handshake.ts";
import { settingError } from "../settings/errors.ts";
import type { HostSettings } from "../settings/read.ts";
import { secureConnections } from "./broker-tls.ts";
import type { ClientTlsSettings } from "./environment.ts";
import { clientTlsOf } from "./environment.ts";

/** TLS between a host and one plugin. */
export interface HostTls {
  /** Variables for the plugin's environment. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * The TLS for this plugin, once it has said what it knows.
   * @throws PlugboardError PB-HANDSHAKE-*
   */
  agreeOn(handshake: Handshake): AgreedTls;
}

/** The TLS that host and plugin speak. */
export interface AgreedTls {
  readonly client: ClientTls;
  /** On connections of the broker, in both roles. */
  readonly secure: NonNullable<BrokerOptions["secure"]>;
}

/** The settings that count. */
export type HostTlsSettings = ClientTlsSettings & Pick<HostSettings, "PLUGIN_AUTO_MTLS">;

/**
 * Prepares TLS with one plugin.
 * @param wanted "auto": both sides make a certificate, and trust nothing but the other's. Default: as the settings say.
 * @throws PlugboardError PB-TLS-UNREADABLE, PB-TLS-KEY, PB-SETTING-INVALID
 */
export async function prepareTls(
  wanted: "auto" | ClientTls | undefined,
  settings: HostTlsSettings,
): Promise<HostTls | undefined> {
  if (wanted === "auto") {
    if (!settings.PLUGIN_AUTO_MTLS) {
      throw settingError("PB-SETTING-INVALID", 'PLUGIN_AUTO_MTLS forbids tls: "auto", which the program asks for', {
        hint: 'Allow PLUGIN_AUTO_MTLS, or load the plugin without tls: "auto".',
      });
    }
    return automaticTls(await createThrowawayCertificate());
  }
  const given = wanted === undefined ? await clientTlsOf(settings) : { ...(await readClientTls(wanted)), ...wanted };
  if (given === undefined) {
    return undefined;
  }
  const client = { serverName: "localhost", ...given };
  return { env: {}, agreeOn: () => ({ client, secure: secureConnections(asServer(client), client) }) };
}

function automaticTls({ certificate, key }: ThrowawayCertificate): HostTls {
  return {
    env: { PLUGIN_CLIENT_CERT: certificate },
    agreeOn({ certificate: field }) {
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
      const client = { roots: ofPlugin, certificate, key, serverName: "localhost" };
      return { client, secure: secureConnections(asServer(client), client) };
    },
  };
}

/** With the same certificates, which go-plugin uses for both roles, too. */
function asServer({ certificate, key, roots }: ClientTls): ServerTls | undefined {
  return certificate === undefined || key === undefined
    ? undefined
    : { certificate, key, ...(roots !== undefined && { clientRoots: roots }) };
}
