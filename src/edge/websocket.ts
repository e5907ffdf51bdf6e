import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { Context } from "hono";
import type { CallPolicy } from "../call/call-policy.ts";
import { allowsOrigin } from "../http/cors.ts";
import { securityHeaders } from "../http/response-headers.ts";
import { upgradeStatus } from "../http/upgrade-status.ts";
import type { WebSocketLike } from "../ttrpc/carriers/websocket.ts";
import { webSocketCarrier, webSocketProtocol } from "../ttrpc/carriers/websocket.ts";
import { upgradeAuthorization } from "../ttrpc/carriers/websocket-token.ts";
import type { TtrpcServing } from "../ttrpc/server/server.ts";
import { upgradeFields } from "../ttrpc/upgrade-headers.ts";
import { edgePeer } from "./conninfo.ts";

/** The end of a WebSocket that stays in the Worker. */
interface ServerWebSocket extends WebSocketLike {
  accept(): void;
}

/** What Workers have beyond the web's standards, see https://developers.cloudflare.com/workers/runtime-apis/websockets. */
type WebSocketPair = new () => { readonly 0: object; readonly 1: ServerWebSocket };

/** Whether this runtime turns requests into WebSockets as Workers do. */
export function servesWebSockets(): boolean {
  return "WebSocketPair" in globalThis;
}

/** Whether a request wants to become a WebSocket that speaks ttrpc. */
export function wantsTtrpc(context: Context): boolean {
  return (
    context.req.header("Upgrade")?.toLowerCase() === "websocket" &&
    offeredProtocols(context).includes(webSocketProtocol)
  );
}

function offeredProtocols({ req }: Context): readonly string[] {
  return (req.header("Sec-WebSocket-Protocol") ?? "").split(",").map((each) => each.trim());
}

/** How to serve a WebSocket. */
interface UpgradeOptions {
  /** `Strict-Transport-Security`, over HTTPS. */
  readonly hsts: string | undefined;
  readonly serving: TtrpcServing;
  /** Decides whether a request may become one. */
  readonly admit: CallPolicy["admit"];
  /** Origins whose pages may open one. */
  readonly origins: readonly string[];
  /** Gets an origin that is refused. */
  readonly originRefused: (origin: string) => void;
  readonly requestId: string;
  /** Is given what may run on when the WebSocket has closed: handlers that clean up. */
  readonly keepAlive: (running: Promise<unknown>) => void;
}

/**
 * Turns a request into a WebSocket that speaks ttrpc. A page may do that if its origin is in the list that holds for all
 * else, too; programs that are no browser send no origin. A token that comes with it has to be valid.
 */
export async function upgradeToTtrpc(
  context: Context,
  { hsts, origins, originRefused, serving, admit, requestId, keepAlive }: UpgradeOptions,
): Promise<Response> {
  const origin = context.req.header("Origin");
  if (origin !== undefined && !allowsOrigin(origins, origin)) {
    originRefused(origin);
    return context.json({ code: "permission_denied", message: "pages of this origin may not call" }, 403);
  }
  const authorization = upgradeAuthorization(offeredProtocols(context), context.req.header("Authorization"));
  const { headers, signal } = context.req.raw;
  const known = { ...edgePeer(context), upgradeFields: upgradeFields(headers) };
  const peer = { ...known, ...(authorization !== undefined && { authorization }) };
  const refusal = await admit?.({ headers, peer, requestId, signal });
  if (refusal !== undefined) {
    const status = upgradeStatus(refusal);
    const body = { code: codeToString(refusal.code), message: refusal.rawMessage };
    return context.json(body, status, status === 401 ? { "WWW-Authenticate": 'Bearer error="invalid_token"' } : {});
  }
  const { WebSocketPair } = globalThis as { WebSocketPair?: WebSocketPair };
  if (WebSocketPair === undefined) {
    return context.json({ code: "unimplemented", message: "WebSockets are served by Workers alone" }, 501);
  }
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  // Now, as a Worker is taken to be done when the WebSocket has closed.
  keepAlive(serving.accept(webSocketCarrier(server, "server"), peer).over);
  // Only the one subprotocol is echoed, and no token that was offered beside it.
  const responseHeaders = new Headers({ "Sec-WebSocket-Protocol": webSocketProtocol });
  for (const [name, value] of securityHeaders(requestId, context.req.url.startsWith("https:") ? hsts : undefined)) {
    responseHeaders.set(name, value);
  }
  const init: ResponseInit & { webSocket: object } = { status: 101, headers: responseHeaders, webSocket: client };
  return new Response(null, init);
}
