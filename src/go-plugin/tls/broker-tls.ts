import type { ClientTls, ServerTls } from "../../address/tls-options.ts";
import { secureClient } from "../../node/tls/secure-client.ts";
import { secureServer } from "../../node/tls/secure-server.ts";
import type { BrokerOptions } from "../broker/create-broker.ts";

/**
 * Puts TLS on the connections of a broker.
 * @param server Undefined: nothing can be served, as there is no certificate.
 */
export function secureConnections(
  server: ServerTls | undefined,
  client: ClientTls,
): NonNullable<BrokerOptions["secure"]> {
  return {
    ...(server && { server: (connection) => secureServer(connection, server) }),
    client: (connection) => secureClient(connection, client),
  };
}
