import type { Context } from "hono";
import type { WebSocketLike } from "../ttrpc/carriers/websocket.ts";
import { webSocketCarrier, webSocketProtocol } from "../ttrpc/carriers/websocket.ts";
import type { TtrpcServing } from "../ttrpc/serving.ts";

/** The end of a WebSocket that stays in the Worker. */
interface ServerWebSocket extends WebSocketLike {
  accept(): void;
}

/** What Workers have beyond the web's standards, see https://developers.cloudflare.com/workers/runtime-apis/websockets. */
type WebSocketPair = new () => { readonly 0: object; readonly 1: ServerWebSocket };

/** Whether a request wants to become a WebSocket that speaks ttrpc. */
export function wantsTtrpc({ req }: Context): boolean {
  const offered = req
    .header("Sec-WebSocket-Protocol")
    ?.split(",")
    .map((each) => each.trim());
  return req.header("Upgrade")?.toLowerCase() === "websocket" && (offered?.includes(webSocketProtocol) ?? false);
}

/**
 * Turns a request into a WebSocket that speaks ttrpc. A page may do that if its origin is in the list that holds for all
 * else, too; programs that are no browser send no origin.
 */
export function upgradeToTtrpc(context: Context, origins: readonly string[], serving: TtrpcServing): Response {
  const origin = context.req.header("Origin");
  if (origin !== undefined && !origins.includes(origin)) {
    return context.json({ code: "permission_denied", message: "pages of this origin may not call" }, 403);
  }
  const { WebSocketPair } = globalThis as { WebSocketPair?: WebSocketPair };
  if (WebSocketPair === undefined) {
    return context.json({ code: "unimplemented", message: "WebSockets are served by Workers alone" }, 501);
  }
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  serving.accept(webSocketCarrier(server));
  // Only the one subprotocol is echoed, and no token that was offered beside it.
  const headers = { "Sec-WebSocket-Protocol": webSocketProtocol };
  const init: ResponseInit & { webSocket: object } = { status: 101, headers, webSocket: client };
  return new Response(null, init);
}
