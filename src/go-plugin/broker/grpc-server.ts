import type { Duplex } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Log } from "../../base/log.ts";
import { defaultLog } from "../../base/log.ts";
import { trustedLimits } from "../../call/call-policy.ts";
import { endCalls } from "../../call/time/grace-period.ts";
import { localKeepalive } from "../../call/time/keepalive.ts";
import { createHttpHandler } from "../../node/http/http-handler.ts";
import { createHttp2Server } from "../../node/http2/server.ts";
import { createConnections } from "../../node/listen/connections.ts";
import type { Routes } from "../../plugin/service-table.ts";
import { createServiceTable } from "../../plugin/service-table.ts";

/** Serves what was registered, and nothing else, over gRPC. */
export interface GrpcServer {
  /** Serves on a connection. */
  accept(connection: Duplex): void;
  /** Lets the calls in flight finish, for 2 s at most, and closes the connections. */
  close(): Promise<void>;
}

/** Options for serving. */
export interface GrpcServerOptions {
  /** Largest request message, in bytes. */
  readonly maxMessageBytes: number;
  /** Where it is told what went wrong. Default: the log of what belongs to no host and no `serve()`. */
  readonly log?: Log | undefined;
  /** Puts TLS on a connection, as its server. If it fails it closes the connection. */
  readonly secure?: ((connection: Duplex) => Promise<Duplex>) | undefined;
}

/** Milliseconds that a connection may take until its first frame, and the calls in flight to finish. */
const headerTimeoutMs = 10_000;
const graceMs = 2_000;

/**
 * Makes a server that waits for connections.
 * @throws PlugboardError PB-PLUGIN-DUPLICATE-SERVICE or PB-PLUGIN-ROUTES
 */
export function createGrpcServer(
  routes: Routes,
  { maxMessageBytes, secure, log = defaultLog }: GrpcServerOptions,
): GrpcServer {
  const shutdown = new AbortController();
  const connections = createConnections();
  const limits = { ...trustedLimits, maxMessageBytes };
  let closing: Promise<void> | undefined;
  const { handle, handleGrpc } = createHttpHandler({
    table: createServiceTable([routes]),
    policy: { limits, log },
    shutdownSignal: shutdown.signal,
    origins: [],
    onlyGrpc: true,
    draining: () => closing !== undefined,
  });
  const http2 = createHttp2Server(handle, handleGrpc, {
    maxConcurrentStreams: limits.maxConcurrentStreams,
    headerTimeoutMs,
    idleTimeoutMs: undefined,
    // Who calls is on the same machine.
    keepalive: localKeepalive,
  });

  async function serve(connection: Duplex) {
    if (secure === undefined) {
      connections.leaveEnding(connection);
      http2.accept(connection);
      return;
    }
    const timer = setTimeout(() => connection.destroy(), headerTimeoutMs);
    connection.once("close", () => clearTimeout(timer));
    try {
      const secured = await secure(connection);
      clearTimeout(timer);
      connections.replace(connection, secured);
      connections.leaveEnding(secured);
      http2.accept(secured);
    } catch {
      // allowed empty-catch: the connection is closed, or will be when the other side has heard why.
    }
  }

  async function close() {
    connections.refuseMore();
    const graceEnds = performance.now() + graceMs;
    await endCalls(http2.drain(), graceMs, () =>
      shutdown.abort(new ConnectError("the server is closing", Code.Unavailable)),
    );
    await connections.close(graceEnds);
  }

  return {
    accept(connection) {
      if (connections.admit(connection)) {
        serve(connection).catch(() => connection.destroy());
      }
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}
