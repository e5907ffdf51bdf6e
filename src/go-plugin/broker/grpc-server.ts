import type { Duplex } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import { trustedLimits } from "../../call/call-policy.ts";
import { localKeepalive } from "../../call/time/keepalive.ts";
import { createHttpHandler } from "../../node/http/adapter.ts";
import { createHttp2Server } from "../../node/http2/server.ts";
import type { Routes } from "../../plugin/service-table.ts";
import { createServiceTable } from "../../plugin/service-table.ts";

/** Serves what was registered, and nothing else, over gRPC. */
export interface GrpcServer {
  /** Serves on a connection. */
  accept(connection: Duplex): void;
  /** Lets the calls in flight finish, for 2 s at most, and closes the connections. */
  close(): Promise<void>;
}

/** How to serve. */
export interface GrpcServerOptions {
  /** Largest request message, in bytes. */
  readonly maxMessageBytes: number;
  /** Puts TLS on a connection, as its server. If it fails it closes the connection. */
  readonly secure?: ((connection: Duplex) => Promise<Duplex>) | undefined;
}

/** How long a connection may take to say something, and the calls in flight to finish, in milliseconds. */
const headerTimeoutMs = 10_000;
const graceMs = 2_000;
/** How long the last answers may take to leave, in milliseconds. */
const flushMs = 250;

/**
 * Makes a server that waits for connections.
 * @throws PlugboardError PB-PLUGIN-DUPLICATE-SERVICE or PB-PLUGIN-ROUTES
 */
export function createGrpcServer(routes: Routes, { maxMessageBytes, secure }: GrpcServerOptions): GrpcServer {
  const shutdown = new AbortController();
  const connections = new Set<Duplex>();
  const limits = { ...trustedLimits, maxMessageBytes };
  let closing: Promise<void> | undefined;
  const handler = createHttpHandler({
    table: createServiceTable([routes]),
    policy: { limits },
    shutdownSignal: shutdown.signal,
    // go-plugin's clients call a host named "unused".
    onlyLoopbackHosts: false,
    origins: [],
    onlyGrpc: true,
    draining: () => closing !== undefined,
  });
  const http2 = createHttp2Server(handler, {
    maxConcurrentStreams: limits.maxConcurrentStreams,
    headerTimeoutMs,
    idleTimeoutMs: undefined,
    // Who calls is on the same machine.
    keepalive: localKeepalive,
  });

  async function handOver(connection: Duplex) {
    if (secure === undefined) {
      http2.accept(connection);
      return;
    }
    const timer = setTimeout(() => connection.destroy(), headerTimeoutMs);
    connection.once("close", () => clearTimeout(timer));
    try {
      const secured = await secure(connection);
      clearTimeout(timer);
      secured.on("error", () => connection.destroy());
      http2.accept(secured);
    } catch {
      // allowed empty-catch: the connection is closed, or will be when the other side has heard why.
    }
  }

  async function close() {
    const { promise: graceOver, resolve } = Promise.withResolvers<void>();
    const idle = http2.drain();
    const timer = setTimeout(() => {
      shutdown.abort(new ConnectError("the server is closing", Code.Unavailable));
      // Handlers that heed their signal get to answer.
      flushing = setTimeout(resolve, flushMs);
    }, graceMs);
    let flushing: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([idle, graceOver]);
    clearTimeout(timer);
    clearTimeout(flushing);
    const closed = [...connections].map((each) => new Promise<void>((done) => each.once("close", () => done())));
    for (const connection of connections) {
      closeSoon(connection);
    }
    await Promise.all(closed);
  }

  return {
    accept(connection) {
      connections.add(connection);
      connection.once("close", () => connections.delete(connection));
      connection.on("error", () => connection.destroy());
      if (closing === undefined) {
        handOver(connection).catch(() => connection.destroy());
      } else {
        connection.destroy();
      }
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** Ends a connection once what was written has left; a peer that does not read can't keep it. */
function closeSoon(connection: Duplex) {
  const timer = setTimeout(() => connection.destroy(), flushMs);
  connection.once("close", () => clearTimeout(timer));
  if (connection.writableFinished) {
    connection.destroy();
  } else {
    connection.once("finish", () => connection.destroy()).end();
  }
}
