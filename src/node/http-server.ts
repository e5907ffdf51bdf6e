import * as http from "node:http";
import type { Duplex } from "node:stream";
import { countAnswers } from "./answers-in-flight.ts";
import { createHttpHandler } from "./http-handler.ts";
import { createHttp2Server } from "./http2-server.ts";
import type { HttpServerOptions, ProtocolServer } from "./protocol-server.ts";
import type { WebSocketUpgrade } from "./websocket-upgrade.ts";

/** Serves both versions of HTTP, and WebSockets, which begin in HTTP/1.1. */
export function createHttpServer(options: HttpServerOptions): Readonly<Record<"http/1.1" | "http/2", ProtocolServer>> {
  const { headerTimeoutMs } = options;
  const shutdown = new AbortController();
  let draining = false;
  const serve = createHttpHandler({ ...options, shutdownSignal: shutdown.signal, draining: () => draining });

  return {
    "http/1.1": createHttp1Server(),
    "http/2": createDrainableHttp2Server(),
  };

  function createHttp1Server(): ProtocolServer {
    const { handle, idle } = countAnswers((request, response) => {
      if (draining) {
        response.setHeader("Connection", "close");
      }
      serve(request, response);
    });
    const server = http.createServer(
      {
        headersTimeout: headerTimeoutMs,
        connectionsCheckingInterval: Math.ceil(headerTimeoutMs / 2),
        requestTimeout: 0,
        keepAliveTimeout: 60_000,
      },
      handle,
    );
    // It never listens itself, but this is when it starts to watch over its connections: header timeout, idle ones.
    server.emit("listening");
    let upgrade: Promise<WebSocketUpgrade> | undefined;
    const loadUpgrade = async () => (await import("./websocket-upgrade.ts")).createWebSocketUpgrade(options);
    server.on("upgrade", async (request: http.IncomingMessage, socket: Duplex, head: Buffer) => {
      upgrade ??= loadUpgrade();
      const { accept } = await upgrade;
      accept(request, socket, head);
    });
    return {
      accept: (socket) => server.emit("connection", socket),
      async drain() {
        draining = true;
        server.closeIdleConnections();
        const { drain } = (await upgrade) ?? {};
        await Promise.all([idle(), drain?.()]);
        server.close();
      },
      abort(reason) {
        shutdown.abort(reason);
        void upgrade?.then(({ abort }) => abort(reason));
      },
    };
  }

  function createDrainableHttp2Server(): ProtocolServer {
    const { accept, drain } = createHttp2Server(serve, headerTimeoutMs);
    return {
      accept,
      drain() {
        draining = true;
        return drain();
      },
      abort: (reason) => shutdown.abort(reason),
    };
  }
}
