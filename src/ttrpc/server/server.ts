import type { ConnectError } from "@connectrpc/connect";
import type { CallPolicy } from "../../call/call-policy.ts";
import type { Peer } from "../../call/peer.ts";
import type { Keepalive } from "../../call/time/keepalive.ts";
import type { ServiceTable } from "../../plugin/service-table.ts";
import type { CarrierConnection } from "../carrier.ts";
import { ServerConnection } from "./server-connection.ts";

/** Options for serving ttrpc. */
export interface TtrpcServingOptions {
  readonly table: ServiceTable;
  readonly policy: CallPolicy;
  /** Milliseconds that the bytes of one frame may take to come in. Default: 10,000. */
  readonly frameTimeoutMs?: number;
  /** Pings that find out that a client has vanished. Default: none. */
  readonly keepalive?: Keepalive | undefined;
}

/** Serves a plugin to many clients over ttrpc. */
export interface TtrpcServing {
  /**
   * Serves a client, until it or its connection ends.
   * @param peer The client, if it is known.
   */
  accept(connection: CarrierConnection, peer?: Peer): ServerConnection;
  /** Takes no new calls, and ends each connection when it has no call any more. Settles when all have ended, and no handler runs. */
  drain(): Promise<void>;
  /** Ends calls in flight with the reason, and all connections. */
  abort(reason: ConnectError): void;
}

/** Begins to serve a service table. */
export function createTtrpcServing(options: TtrpcServingOptions): TtrpcServing {
  const { table, policy, frameTimeoutMs = 10_000, keepalive } = options;
  const connections = new Set<ServerConnection>();
  let draining = false;
  return {
    accept(carrier, peer) {
      const connection = new ServerConnection(carrier, {
        table,
        policy,
        peer,
        frameTimeoutMs,
        keepalive,
        draining,
      });
      connections.add(connection);
      const forget = () => connections.delete(connection);
      connection.over.then(forget, forget);
      return connection;
    },
    async drain() {
      draining = true;
      const open = [...connections];
      for (const connection of open) {
        connection.drain();
      }
      await Promise.all(open.map((connection) => connection.over));
    },
    abort(reason) {
      draining = true;
      for (const connection of connections) {
        connection.close(reason);
      }
    },
  };
}
