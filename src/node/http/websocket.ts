import type * as http from "node:http";
import type { Duplex } from "node:stream";
import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import { WebSocketServer } from "ws";
import { refuseRequest } from "../../call/refuse-request.ts";
import { requestIdFor, requestIdHeader } from "../../call/request-id.ts";
import { webSocketCarrier, webSocketProtocol } from "../../ttrpc/carriers/websocket.ts";
import { maxDataBytes } from "../../ttrpc/limits.ts";
import type { Admission } from "../../ttrpc/server/admit-upgrade.ts";
import { admitUpgrade } from "../../ttrpc/server/admit-upgrade.ts";
import { createTtrpcServing } from "../../ttrpc/server/server.ts";
import { requestPeer } from "../conninfo.ts";
import type { HttpServerOptions } from "../listen/protocol-server.ts";
import { namedHost } from "./adapter.ts";
import { sendBareResponse } from "./bare-response.ts";

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

/** Takes WebSockets at "/" that speak ttrpc. */
export function createWebSocketUpgrade(options: HttpServerOptions): WebSocketUpgrade {
  const { table, policy, headerTimeoutMs, keepalive, hsts, hosts, origins, originRefused, proxy } = options;
  const { accept, drain, abort } = createTtrpcServing({ table, policy, frameTimeoutMs: headerTimeoutMs, keepalive });
  const upgradeOptions = { admit: policy.admit, hosts, origins, originRefused };
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
      const admission = await admit(request, socket, requestId);
      if ("refusal" in admission) {
        sendBareResponse(socket, refuseRequest(admission.refusal, undefined), hsts, requestId);
        return;
      }
      const { peer } = admission;
      server.handleUpgrade(request, socket, head, (webSocket) => accept(webSocketCarrier(webSocket, "server"), peer));
    },
    drain,
    abort,
  };

  async function admit(request: http.IncomingMessage, socket: Duplex, requestId: string): Promise<Admission> {
    const given = new AbortController();
    const giveUp = () => given.abort();
    socket.once("close", giveUp);
    try {
      const upgrade = {
        header: headersOf(request),
        path: request.url?.split("?", 1)[0] ?? "",
        host: namedHost(request),
        peer: requestPeer(request, proxy),
        requestId,
        signal: AbortSignal.any([given.signal, AbortSignal.timeout(headerTimeoutMs)]),
      };
      return await admitUpgrade(upgrade, upgradeOptions);
    } catch (error) {
      policy.log.line("ERROR", `a WebSocket was refused, request ${requestId}:`, error);
      return { refusal: { status: 500, code: Code.Internal, message: "internal error" } };
    } finally {
      socket.off("close", giveUp);
    }
  }
}

function headersOf({ headers: raw }: http.IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw)) {
    headers.set(name, String(value));
  }
  return headers;
}
