import type { Credentials } from "../../node/tls/credentials.ts";
import { secureClient } from "../../node/tls/secure-client.ts";
import { createSecureServer } from "../../node/tls/secure-server.ts";
import type { BrokerOptions } from "../broker/create-broker.ts";

/**
 * Puts TLS on the connections of a broker: with the same certificates in both roles, as go-plugin does. Without a
 * certificate of one's own nothing can be served.
 * @param serverName The name that the other side's certificate has to carry. Default: "localhost".
 */
export function secureConnections(credentials: Credentials, serverName?: string): NonNullable<BrokerOptions["secure"]> {
  return {
    ...(credentials.hasIdentity && { server: createSecureServer(credentials).wrapTls }),
    client: (connection) => secureClient(connection, credentials, serverName === undefined ? {} : { serverName }),
  };
}
