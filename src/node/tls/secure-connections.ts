import type { ClientTls, ServerTls } from "../../client/tls.ts";
import type { BrokerOptions } from "../broker/create-broker.ts";
import { secureClient } from "./secure-client.ts";
import { secureServer } from "./secure-server.ts";

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
