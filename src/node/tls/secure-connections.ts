import type { ClientTls, ServerTls } from "../../client/tls.ts";
import type { BrokerOptions } from "../broker/create-broker.ts";
import { secureClient } from "./secure-client.ts";
import { secureServer } from "./secure-server.ts";

/** Puts TLS on the connections of a broker. */
export function secureConnections(server: ServerTls, client: ClientTls): NonNullable<BrokerOptions["secure"]> {
  return {
    server: (connection) => secureServer(connection, server),
    client: (connection) => secureClient(connection, client),
  };
}
