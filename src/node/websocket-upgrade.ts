import * as http from "node:http";
import type { Duplex } from "node:stream";
import type { ConnectError } from "@connectrpc/connect";
import { WebSocketServer } from "ws";
import { webSocketCarrier, webSocketProtocol } from "../ttrpc/carriers/websocket.ts";
import { maxDataBytes } from "../ttrpc/frame.ts";
import { createTtrpcServing } from "../ttrpc/serving.ts";
import type { HttpServerOptions } from "./protocol-server.ts";
import { refuseHost } from "./request-host.ts";

/** Serves ttrpc on WebSockets. */
export interface WebSocketUpgrade {
  /** Turns a connection of HTTP/1.1 into a WebSocket, or refuses to. */
  accept(request: http.IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Takes no new calls. Settles when none is in flight any more. */
  drain(): Promise<void>;
  /** Ends the calls in flight. */
  abort(reason: ConnectError): void;
}

/** Longest message, in bytes: one frame of the longest kind, after a chunk of others. */
const maxPayload = maxDataBytes + 128 * 1024;

/**
 * Takes WebSockets at "/" that speak ttrpc. A page may open one if its origin is in the list that holds for all else, too;
 * programs that are no browser send no origin.
 */
export function createWebSocketUpgrade(options: HttpServerOptions): WebSocketUpgrade {
  const { table, maxMessageBytes, headerTimeoutMs, origins, onlyLoopbackHosts } = options;
  const { accept, drain, abort } = createTtrpcServing({ table, maxMessageBytes, frameTimeoutMs: headerTimeoutMs });
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload,
    // Never echoes anything else that a client offers, such as a token.
    handleProtocols: () => webSocketProtocol,
  });
  return {
    accept(request, socket, head) {
      const refused = refusal(request);
      if (refused !== undefined) {
        refuse(socket, refused);
        return;
      }
      socket.on("error", () => socket.destroy());
      server.handleUpgrade(request, socket, head, (webSocket) => accept(webSocketCarrier(webSocket)));
    },
    drain,
    abort,
  };

  /** Why a request to upgrade is refused: an HTTP status. */
  function refusal(request: http.IncomingMessage): number | undefined {
    const host = refuseHost(request, onlyLoopbackHosts);
    const { origin } = request.headers;
    const offered = request.headers["sec-websocket-protocol"]?.split(",").map((each) => each.trim());
    if (host !== undefined) {
      return host.status;
    }
    if (origin !== undefined && !origins.includes(origin)) {
      return 403;
    }
    if (request.url?.split("?", 1)[0] !== "/") {
      return 404;
    }
    return offered?.includes(webSocketProtocol) ? undefined : 400;
  }
}

function refuse(socket: Duplex, status: number) {
  socket.on("error", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
