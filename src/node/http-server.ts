import * as http from "node:http";
import * as http2 from "node:http2";
import type { Duplex } from "node:stream";
import { maxConcurrentCalls } from "../ttrpc/serving.ts";
import type { HttpHandler } from "./http-handler.ts";
import { createHttpHandler } from "./http-handler.ts";
import type { HttpServerOptions, ProtocolServer } from "./protocol-server.ts";
import { maxSessionMemory } from "./session-memory.ts";
import type { WebSocketUpgrade } from "./websocket-upgrade.ts";

/** Serves both versions of HTTP, and WebSockets, which begin in HTTP/1.1. */
export function createHttpServer(options: HttpServerOptions): Readonly<Record<"http/1.1" | "http/2", ProtocolServer>> {
  const { headerTimeoutMs } = options;
  const shutdown = new AbortController();
  let draining = false;
  const serve = createHttpHandler({ ...options, shutdownSignal: shutdown.signal, draining: () => draining });

  /** Counts the answers that are on their way, for `drain`. */
  function countAnswers() {
    const answers = new Set<unknown>();
    const waiting = new Set<() => void>();
    const handle: HttpHandler = (request, response) => {
      answers.add(response);
      response.once("close", () => {
        answers.delete(response);
        if (answers.size === 0) {
          for (const resolve of waiting) {
            resolve();
          }
        }
      });
      if (draining && request.httpVersionMajor === 1) {
        response.setHeader("Connection", "close");
      }
      serve(request, response);
    };
    const idle = () => (answers.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => waiting.add(resolve)));
    return { handle, idle };
  }

  return {
    "http/1.1": createHttp1Server(),
    "http/2": createHttp2Server(),
  };

  function createHttp1Server(): ProtocolServer {
    const { handle, idle } = countAnswers();
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

  function createHttp2Server(): ProtocolServer {
    const { handle, idle } = countAnswers();
    const sessions = new Set<http2.Http2Session>();
    const server = http2.createServer(
      { maxSessionMemory, settings: { maxConcurrentStreams: maxConcurrentCalls } },
      handle,
    );
    server.on("session", (session) => {
      sessions.add(session);
      // The settings are what a client says first in HTTP/2.
      const timer = setTimeout(() => session.destroy(), headerTimeoutMs);
      session.once("remoteSettings", () => clearTimeout(timer));
      session.once("close", () => {
        clearTimeout(timer);
        sessions.delete(session);
      });
      session.on("error", () => session.destroy());
    });
    return {
      accept: (socket) => server.emit("connection", socket),
      async drain() {
        draining = true;
        for (const session of sessions) {
          session.close();
        }
        await idle();
        server.close();
      },
      abort: (reason) => shutdown.abort(reason),
    };
  }
}
