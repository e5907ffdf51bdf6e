import type * as http from "node:http";
import type { Duplex } from "node:stream";
import type { ConnectError } from "@connectrpc/connect";
import { WebSocketServer } from "ws";
import { log } from "../../base/log.ts";
import type { Peer } from "../../call/peer.ts";
import { requestIdFor, requestIdHeader } from "../../call/request-id.ts";
import { allowsOrigin } from "../../http/cors.ts";
import { upgradeStatus } from "../../http/upgrade-status.ts";
import { webSocketCarrier, webSocketProtocol } from "../../ttrpc/carriers/websocket.ts";
import { upgradeAuthorization } from "../../ttrpc/carriers/websocket-token.ts";
import { createTtrpcServing } from "../../ttrpc/server/server.ts";
import { upgradeFields } from "../../ttrpc/upgrade-headers.ts";
import { maxDataBytes } from "../../ttrpc/wire/frame.ts";
import { requestPeer } from "../conninfo.ts";
import type { HttpServerOptions } from "../listen/protocol-server.ts";
import type { TrustedProxy } from "../trusted-proxy.ts";
import type { BareRefusal } from "./bare-response.ts";
import { answerBare } from "./bare-response.ts";
import { refuseHost } from "./host-header.ts";

/** Serves ttrpc on WebSockets. */
export interface WebSocketUpgrade {
  /** Turns a connection of HTTP/1.1 into a WebSocket, or refuses to. */
  accept(request: http.IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
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
  const { table, policy, headerTimeoutMs, keepalive, origins, originRefused, onlyLoopbackHosts } = options;
  const { accept, drain, abort } = createTtrpcServing({ table, policy, frameTimeoutMs: headerTimeoutMs, keepalive });
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload,
    // Never echoes anything else that a client offers, such as a token.
    handleProtocols: () => webSocketProtocol,
  });
  return {
    async accept(request, socket, head) {
      socket.on("error", () => socket.destroy());
      const requestId = requestIdFor(request.headers[requestIdHeader.toLowerCase()]?.toString());
      let peer: Peer;
      let refused: BareRefusal | undefined;
      try {
        const headers = headersOf(request);
        peer = upgradePeer(request, headers, options.proxy);
        refused = refusal(request) ?? (await refusedByPolicy(headers, socket, peer, requestId));
      } catch (error) {
        log("ERROR", `a WebSocket was refused, request ${requestId}:`, error);
        answerBare(socket, { status: 500, message: "internal error" }, options.hsts, { requestId });
        return;
      }
      if (refused !== undefined) {
        answerBare(socket, refused, options.hsts, { requestId });
        return;
      }
      server.handleUpgrade(request, socket, head, (webSocket) => accept(webSocketCarrier(webSocket, "server"), peer));
    },
    drain,
    abort,
  };

  async function refusedByPolicy(headers: Headers, socket: Duplex, peer: Peer, requestId: string) {
    if (policy.admit === undefined) {
      return undefined;
    }
    const given = new AbortController();
    const giveUp = () => given.abort();
    socket.once("close", giveUp);
    const signal = AbortSignal.any([given.signal, AbortSignal.timeout(headerTimeoutMs)]);
    const error = await policy.admit({ headers, peer, requestId, signal });
    socket.off("close", giveUp);
    return error && { status: upgradeStatus(error), message: error.rawMessage };
  }

  function refusal(request: http.IncomingMessage): BareRefusal | undefined {
    const host = refuseHost(request, onlyLoopbackHosts, options.allowsHost);
    const { origin } = request.headers;
    if (host !== undefined) {
      return host;
    }
    if (origin !== undefined && !allowsOrigin(origins, origin)) {
      originRefused?.(origin);
      return { status: 403, message: "pages of this origin may not call" };
    }
    if (request.url?.split("?", 1)[0] !== "/") {
      return { status: 404, message: "WebSockets are opened at /" };
    }
    return offeredProtocols(request).includes(webSocketProtocol)
      ? undefined
      : { status: 400, message: `a WebSocket has to offer the subprotocol ${webSocketProtocol}` };
  }
}

function offeredProtocols({ headers }: http.IncomingMessage): readonly string[] {
  return (headers["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
}

function headersOf({ headers: raw }: http.IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw)) {
    headers.set(name, String(value));
  }
  return headers;
}

function upgradePeer(request: http.IncomingMessage, headers: Headers, proxy: TrustedProxy | undefined): Peer {
  const authorization = upgradeAuthorization(offeredProtocols(request), request.headers.authorization);
  const known = { ...requestPeer(request, proxy), upgradeFields: upgradeFields(headers) };
  return { ...known, ...(authorization !== undefined && { authorization }) };
}
