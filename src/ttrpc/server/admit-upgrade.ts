import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { CallPolicy } from "../../call/call-policy.ts";
import type { Peer } from "../../call/peer.ts";
import type { RequestRefusal } from "../../call/refuse-request.ts";
import { allowsOrigin } from "../../http/cors.ts";
import type { HostRule, NamedHost } from "../../http/hosts.ts";
import { refuseHost } from "../../http/hosts.ts";
import { webSocketProtocol } from "../carriers/websocket.ts";
import { upgradeAuthorization } from "../carriers/websocket-token.ts";
import { upgradeFields } from "../upgrade-headers.ts";

/** A request that would become a WebSocket. */
export interface UpgradeRequest {
  readonly header: Headers;
  /** Without the query. Where a plugin is mounted, what comes below that. */
  readonly path: string;
  readonly host: NamedHost;
  readonly peer: Peer;
  readonly requestId: string;
  /** Aborted when the caller waits no longer. */
  readonly signal: AbortSignal;
}

/** Options for admitting WebSockets. */
export interface UpgradeOptions {
  readonly admit: CallPolicy["admit"];
  /** Hosts that requests may be for. Default: any. */
  readonly hosts?: HostRule | undefined;
  /** Origins whose pages may open one. */
  readonly origins: readonly string[];
  /** Gets an origin that is refused. */
  readonly originRefused?: ((origin: string) => void) | undefined;
}

/** The result for such a request: the peer of the calls to come, or why there are none. */
export type Admission = { readonly peer: Peer } | { readonly refusal: RequestRefusal };

/**
 * Decides whether a request may become a WebSocket that speaks ttrpc. A page may open one if its origin is in the list that
 * holds for all else, too; programs that are no browser send no origin. A token that comes with it has to be valid.
 */
export async function admitUpgrade(request: UpgradeRequest, options: UpgradeOptions): Promise<Admission> {
  const { header, requestId, signal } = request;
  const refusal = refuseUpgrade(request, options);
  if (refusal !== undefined) {
    return { refusal };
  }
  const authorization = upgradeAuthorization(offeredProtocols(header), header.get("Authorization"));
  const known = { ...request.peer, upgradeFields: upgradeFields(header) };
  const peer = { ...known, ...(authorization !== undefined && { authorization }) };
  const error = await options.admit?.({ headers: header, peer, requestId, signal });
  return error === undefined
    ? { peer }
    : { refusal: { status: upgradeStatus(error), code: error.code, message: error.rawMessage } };
}

/** True if a request wants to become a WebSocket that speaks ttrpc. */
export function wantsTtrpc(header: Headers): boolean {
  return header.get("Upgrade")?.toLowerCase() === "websocket" && offersTtrpc(header);
}

function refuseUpgrade(
  { header, path, host }: UpgradeRequest,
  { hosts, origins, originRefused }: UpgradeOptions,
): RequestRefusal | undefined {
  // WebSockets begin in HTTP/1.1; one that a platform has taken out of HTTP/2 names its host all the same.
  const otherHost = refuseHost(host, false, hosts);
  if (otherHost !== undefined) {
    return otherHost;
  }
  const origin = header.get("Origin");
  if (origin !== null && !allowsOrigin(origins, origin)) {
    originRefused?.(origin);
    return { status: 403, code: Code.PermissionDenied, message: "pages of this origin may not call" };
  }
  if (path !== "/") {
    return { status: 404, code: Code.Unimplemented, message: "WebSockets are opened at /" };
  }
  const message = `a WebSocket has to offer the subprotocol ${webSocketProtocol}`;
  return offersTtrpc(header) ? undefined : { status: 400, code: Code.InvalidArgument, message };
}

function offersTtrpc(header: Headers): boolean {
  return offeredProtocols(header).includes(webSocketProtocol);
}

function offeredProtocols(header: Headers): readonly string[] {
  return (header.get("Sec-WebSocket-Protocol") ?? "").split(",").map((each) => each.trim());
}

/** The HTTP status of a refusal, which is all that many clients of WebSockets are told. */
function upgradeStatus({ code }: ConnectError): number {
  switch (code) {
    case Code.Unauthenticated:
      return 401;
    case Code.PermissionDenied:
      return 403;
    case Code.ResourceExhausted:
      return 429;
    case Code.Internal:
      return 500;
    default:
      return 503;
  }
}
