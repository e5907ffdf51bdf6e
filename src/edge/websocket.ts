import { Code } from "@connectrpc/connect";
import type { Context } from "hono";
import { defaultLog } from "../base/log.ts";
import type { RequestRefusal } from "../call/refuse-request.ts";
import { refuseRequest } from "../call/refuse-request.ts";
import { requestIdFor, requestIdHeader } from "../call/request-id.ts";
import { defaultKeepalive } from "../call/time/keepalive.ts";
import { Carrier } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { securityHeaders } from "../http/response-headers.ts";
import type { WebSocketLike } from "../ttrpc/carriers/websocket.ts";
import { webSocketCarrier, webSocketProtocol } from "../ttrpc/carriers/websocket.ts";
import { ttrpcEndpoint } from "../ttrpc/endpoint.ts";
import type { Admission, UpgradeOptions } from "../ttrpc/server/admit-upgrade.ts";
import { admitUpgrade } from "../ttrpc/server/admit-upgrade.ts";
import type { TtrpcServing, TtrpcServingOptions } from "../ttrpc/server/server.ts";
import { createTtrpcServing } from "../ttrpc/server/server.ts";
import { namedHost, pathOf, waitUntil } from "./adapter.ts";
import { requestPeer } from "./conninfo.ts";
import type { WebSockets } from "./edge-options.ts";

/** The end of a WebSocket that stays in the Worker. */
interface ServerWebSocket extends WebSocketLike {
  accept(): void;
}

/**
 * The extension of Workers to the web's standards, see
 * https://developers.cloudflare.com/workers/runtime-apis/websockets.
 */
type WebSocketPair = new () => { readonly 0: object; readonly 1: ServerWebSocket };

/** Options for serving a WebSocket. */
interface WebSocketOptions extends Omit<UpgradeOptions, "admit"> {
  /** `Strict-Transport-Security`, over HTTPS. */
  readonly hsts: string | undefined;
  /** The plugin, when it has started. */
  readonly started: Promise<Pick<TtrpcServingOptions, "table" | "policy">>;
}

/** The inside of `webSockets`. */
export interface WebSocketServing extends WebSockets {
  /** The endpoints that this runtime can serve. */
  endpoints(): readonly ReturnType<typeof ttrpcEndpoint>[];
  /** Turns a request into a WebSocket that speaks ttrpc, or refuses to. */
  accept(context: Context, options: WebSocketOptions): Promise<Response>;
}

const implementation: WebSocketServing = {
  carrier: "websocket",
  // Only Workers can turn a request into a WebSocket; under @hono/node-server and its like, callers should not try.
  endpoints: () => ("WebSocketPair" in globalThis ? [ttrpcEndpoint(Carrier.WEBSOCKET)] : []),
  accept: acceptWebSocket,
};

/**
 * Has `edge` serve ttrpc on WebSockets, over which browsers make client-streaming and bidi calls.
 *
 * ```ts
 * export default edge(plugin, { webSockets });
 * ```
 *
 * A value and no flag: a Worker that does not import it has none of its code.
 */
export const webSockets: WebSockets = implementation;

async function acceptWebSocket(context: Context, options: WebSocketOptions): Promise<Response> {
  const { raw } = context.req;
  const url = new URL(raw.url);
  const requestId = requestIdFor(raw.headers.get(requestIdHeader));
  const always = securityHeaders(requestId, url.protocol === "https:" ? options.hsts : undefined);
  const { WebSocketPair } = globalThis as { WebSocketPair?: WebSocketPair };
  let serving: TtrpcServing;
  let admission: Admission;
  try {
    const { table, policy } = await options.started;
    serving = createTtrpcServing({ table, policy, keepalive: defaultKeepalive });
    const upgrade = {
      header: raw.headers,
      path: pathOf(context, url),
      host: namedHost(url),
      peer: requestPeer(context),
      requestId,
      signal: raw.signal,
    };
    admission = await admitUpgrade(upgrade, { ...options, admit: policy.admit });
  } catch (error) {
    defaultLog.line("ERROR", `a WebSocket was refused, request ${requestId}:`, error);
    return refuse({ status: 500, code: Code.Internal, message: "internal error" });
  }
  if ("refusal" in admission) {
    return refuse(admission.refusal);
  }
  if (WebSocketPair === undefined) {
    return refuse({ status: 501, code: Code.Unimplemented, message: "WebSockets are served by Workers alone" });
  }
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  // Now, as a Worker is taken to be done when the WebSocket has closed.
  waitUntil(context, serving.accept(webSocketCarrier(server, "server"), admission.peer).over);
  // Only the one subprotocol is echoed, and no token that was offered beside it.
  const headers = { ...Object.fromEntries(always), "Sec-WebSocket-Protocol": webSocketProtocol };
  const init: ResponseInit & { webSocket: object } = { status: 101, headers, webSocket: client };
  return new Response(null, init);

  function refuse(refusal: RequestRefusal): Response {
    const { status, headers, body } = refuseRequest(refusal, undefined);
    return new Response(body, { status, headers: { ...Object.fromEntries(always), ...headers } });
  }
}
