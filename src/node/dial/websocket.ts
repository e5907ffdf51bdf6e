import { bearerAuthorization } from "../../call/messages/bearer-token.ts";
import type { Dialer } from "../../client/dialers/dialer.ts";
import { webSocketDialer as dialerOf } from "../../client/dialers/ttrpc.ts";
import { webSocketProtocol } from "../../ttrpc/carriers/websocket.ts";
import { maxDataBytes } from "../../ttrpc/limits.ts";
import { withRequire } from "../with-require.ts";

/** Longest message, in bytes: a frame of the longest kind, and what a server sends together with it. */
const maxPayload = 2 * maxDataBytes;

/**
 * Calls over ttrpc on WebSockets of the package ws: unlike Node's own they can hold a server back that is too fast, and no server
 * can end the process through them.
 */
export const webSocketDialer: Dialer = dialerOf(async (url, token) => {
  const { WebSocket } = await withRequire(() => import("ws"));
  const socket = new WebSocket(url, webSocketProtocol, {
    perMessageDeflate: false,
    maxPayload,
    ...(token !== undefined && { headers: { Authorization: bearerAuthorization(token) } }),
  });
  let refusedWith: number | undefined;
  socket.once("unexpected-response", (_request, { statusCode }) => {
    refusedWith = statusCode;
    socket.terminate();
  });
  return { socket, refusedWith: () => refusedWith };
});
