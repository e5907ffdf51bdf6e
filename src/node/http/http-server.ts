import * as http from "node:http";
import type { Duplex } from "node:stream";
import { maxTimerMs } from "../../base/async/within.ts";
import type { PlainResponse } from "../../call/refuse-request.ts";
import { createHttp2Server } from "../http2/server.ts";
import type { HttpServerOptions, ProtocolServer } from "../listen/protocol-server.ts";
import { withRequire } from "../with-require.ts";
import { inWords, sendBareResponse } from "./bare-response.ts";
import { createHttpHandler } from "./http-handler.ts";
import { createHttp1Connections } from "./http1-connections.ts";
import { limitPipeline } from "./limit-pipeline.ts";
import type { WebSocketUpgrade } from "./websocket.ts";

/** Bytes of a request's headers that Node takes over HTTP/2, and so over HTTP/1.1: more than our clients send. */
const maxNodeHeaderBytes = 64 * 1024;

/** Serves both versions of HTTP, and WebSockets, which begin in HTTP/1.1. */
export function createHttpServer(options: HttpServerOptions): Readonly<Record<"http/1.1" | "http/2", ProtocolServer>> {
  const { headerTimeoutMs, policy, hsts, keepalive, idleConnectionMs } = options;
  const { maxConcurrentStreams, maxHeaderBytes, idleTimeoutMs } = policy.limits;
  const shutdown = new AbortController();
  let draining = false;
  /** Handlers that may go on after their calls. */
  const running = new Set<Promise<unknown>>();
  const keepAlive = (handler: Promise<unknown>) => {
    running.add(handler);
    const forget = () => running.delete(handler);
    handler.then(forget, forget);
  };
  const { handle: serve, handleGrpc } = createHttpHandler({
    ...options,
    keepAlive,
    shutdownSignal: shutdown.signal,
    draining: () => draining,
  });

  return {
    "http/1.1": createHttp1Server(),
    "http/2": createDrainableHttp2Server(),
  };

  function createHttp1Server(): ProtocolServer {
    const connections = createHttp1Connections(headerTimeoutMs, hsts);
    const handle = limitPipeline(
      (request, response) => {
        allowEarlyResponse(request, response, headerTimeoutMs);
        serve(request, response);
      },
      maxConcurrentStreams,
      hsts,
    );
    const handleToEnd = (request: http.IncomingMessage, response: http.ServerResponse) => {
      if (connections.begin(request, response)) {
        handle(request, response);
      }
    };
    const server = http.createServer(
      {
        // Our own responses say it.
        requireHostHeader: false,
        // Calls whose headers are too long are told so in their protocol; what is far beyond that is not even read.
        maxHeaderSize: Math.max(maxNodeHeaderBytes, 4 * (maxHeaderBytes ?? 0)),
        headersTimeout: headerTimeoutMs,
        connectionsCheckingInterval: Math.ceil(headerTimeoutMs / 2),
        requestTimeout: 0,
        // Node adds a second of its own, and takes what is longer than a timer for none at all.
        keepAliveTimeout: Math.min(idleConnectionMs, maxTimerMs - 1_000),
      },
      handleToEnd,
    );
    server.on("checkExpectation", handleToEnd);
    // What can't be read as HTTP, is longer than Node takes, or comes too slowly.
    server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      if (error.code === "ECONNRESET" || !socket.writable) {
        socket.destroy();
      } else {
        sendBareResponse(socket, refusalOf(error), hsts);
      }
    });
    // No request has come for so long.
    server.on("timeout", (socket) => connections.endIdle(socket));
    // It never listens itself, but this is when it starts to watch over its connections: header timeout, idle ones.
    server.emit("listening");
    /** Without a value if it can't be loaded. */
    let upgrade: Promise<WebSocketUpgrade | undefined> | undefined;
    const loadUpgrade = async () => {
      try {
        const { createWebSocketUpgrade } = await withRequire(() => import("./websocket.ts"));
        return createWebSocketUpgrade(options);
      } catch (error) {
        policy.log.line("ERROR", "WebSockets can't be served:", error);
        return undefined;
      }
    };
    const acceptUpgrade = async (request: http.IncomingMessage, socket: Duplex, head: Buffer) => {
      upgrade ??= loadUpgrade();
      const loaded = await upgrade;
      if (loaded === undefined) {
        sendBareResponse(socket, inWords(501, "WebSockets can't be served here"), hsts);
      } else {
        await loaded.accept(request, socket, head);
      }
    };
    server.on("upgrade", (request: http.IncomingMessage, socket: Duplex, head: Buffer) => {
      connections.leave(socket);
      socket.on("error", () => socket.destroy());
      if (draining && upgrade === undefined) {
        sendBareResponse(socket, inWords(503, "the plugin is shutting down"), hsts);
        return;
      }
      acceptUpgrade(request, socket, head).catch((error: unknown) => {
        policy.log.line("ERROR", "a WebSocket could not be opened:", error);
        socket.destroy();
      });
    });
    return {
      accept(socket) {
        connections.add(socket);
        server.emit("connection", socket);
      },
      async drain() {
        draining = true;
        const ended = connections.drain();
        const loaded = await upgrade;
        await Promise.all([ended, loaded?.drain()]);
        server.close();
        await Promise.allSettled(running);
      },
      abort(reason) {
        shutdown.abort(reason);
        connections.hurry();
        // What could not be loaded has no calls.
        upgrade?.then((loaded) => loaded?.abort(reason)).catch(() => undefined);
      },
    };
  }

  function createDrainableHttp2Server(): ProtocolServer {
    const { accept, drain } = createHttp2Server(serve, handleGrpc, {
      maxConcurrentStreams,
      headerTimeoutMs,
      idleTimeoutMs,
      keepalive,
    });
    return {
      accept,
      async drain() {
        draining = true;
        await drain();
        await Promise.allSettled(running);
      },
      abort: (reason) => shutdown.abort(reason),
    };
  }
}

/** The same responses as Node's. */
function refusalOf({ code }: NodeJS.ErrnoException): PlainResponse {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return inWords(431, "the request's headers are too long");
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return inWords(413, "the extensions of a chunk of the body are too long");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return inWords(408, "the request's headers did not come in time");
    default:
      return inWords(400, "this can't be read as a request of HTTP/1.1");
  }
}

/**
 * Lets a request over HTTP/1.1 have its response before it was read to its end: one that is too large, or of no
 * interest. Node would break the connection when its reader stops, which can cost the response, or leave the rest where
 * it is, which blocks the connection for the requests that follow. Here the rest is read and thrown away.
 * @param timeoutMs Milliseconds that the caller may go on sending after the response.
 */
function allowEarlyResponse(request: http.IncomingMessage, response: http.ServerResponse, timeoutMs: number): void {
  Object.assign(request, { [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) });
  response.once("finish", () => {
    if (request.readableEnded || request.destroyed) {
      return;
    }
    const { socket } = request;
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    request.once("close", () => clearTimeout(timer));
    // A reader that waits for more would keep it from flowing; Node takes notice in the next turn.
    request.removeAllListeners("readable");
    process.nextTick(() => request.resume());
  });
}
