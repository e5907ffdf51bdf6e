import type { Duplex } from "node:stream";
import type { PlugboardError } from "../../base/errors.ts";
import { isPlugboardError } from "../../base/errors.ts";
import { tlsRefusal } from "../../client/dialers/failures/errors.ts";
import { tlsError } from "../tls/errors.ts";
import type { SecureServer } from "../tls/secure-server.ts";
import type { Connections } from "./connections.ts";
import { onFirstBytes } from "./first-bytes.ts";
import type { ProtocolServers } from "./protocol-servers.ts";
import type { Sniffed } from "./sniff.ts";

/** Options for receiving connections. */
export interface ReceptionOptions {
  readonly connections: Connections;
  readonly serverFor: ProtocolServers["serverFor"];
  /** Speaks TLS on them; then nothing else is spoken. */
  readonly secureServer: SecureServer | undefined;
  /** Milliseconds that one may take for its first bytes. */
  readonly headerTimeoutMs: number;
  /** Gets each connection that is refused for TLS. */
  readonly onRefused: ((error: PlugboardError) => void) | undefined;
}

/** Leads each connection, by what is spoken on it, through TLS to the server for it. */
export interface Reception {
  receive(connection: Duplex): void;
  /** Settles when each connection that was received has closed or has its server. */
  allOpened(): Promise<void>;
}

export function createReception(options: ReceptionOptions): Reception {
  const { connections, serverFor, secureServer, headerTimeoutMs, onRefused } = options;
  /** Of connections of which it isn't known yet what is spoken on them. */
  const opening = new Set<Promise<void>>();

  function open(connection: Duplex, onProtocol: (protocol: Sniffed) => Promise<void>) {
    const { promise: opened, resolve } = Promise.withResolvers<void>();
    opening.add(opened);
    const onOpened = () => {
      opening.delete(opened);
      resolve();
    };
    connection.once("close", onOpened);
    onFirstBytes(connection, { timeoutMs: headerTimeoutMs }, (protocol) => onProtocol(protocol).finally(onOpened));
  }

  /** Gives a connection on which a protocol is spoken to the server for it. */
  async function serve(connection: Duplex, protocol: Sniffed) {
    if (protocol === "tls") {
      await refuse(connection, tlsError("PB-TLS-NOT-SPOKEN", "this server does not use TLS"));
      return;
    }
    const server = await serverFor(protocol);
    if (server === undefined || connection.destroyed) {
      connection.destroy();
      return;
    }
    if (protocol === "http/2") {
      connections.leaveEnding(connection);
    }
    server.accept(connection);
    // Not before the server has attached its own listeners.
    process.nextTick(() => connection.resume());
  }

  /** Speaks TLS on a connection, and goes on with what is spoken within. */
  async function wrapTls(connection: Duplex, protocol: Sniffed, tls: SecureServer) {
    if (protocol !== "tls") {
      const error = tlsRefusal("PB-TLS-REQUIRED", "this server requires TLS");
      onRefused?.(error);
      await refuse(connection, error);
      return;
    }
    try {
      const within = await tls.wrapTls(connection);
      connections.replace(connection, within);
      open(within, (protocol) => serve(within, protocol));
    } catch (error) {
      if (isPlugboardError(error)) {
        onRefused?.(error);
      }
    }
  }

  async function refuse(connection: Duplex, error: PlugboardError) {
    const { refusePeer } = await import("./refuse-peer.ts");
    refusePeer(connection, error, headerTimeoutMs);
  }

  return {
    receive(connection) {
      open(connection, (protocol) =>
        secureServer === undefined ? serve(connection, protocol) : wrapTls(connection, protocol, secureServer),
      );
    },
    async allOpened() {
      while (opening.size > 0) {
        await Promise.all(opening);
      }
    },
  };
}
