import type { Context } from "hono";
import type { Peer } from "../call/peer.ts";

/** Hono's server for Node binds the request that it has got from Node. */
interface NodeBindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } };
}

/**
 * The peer that has sent a request: in a Worker the client that Cloudflare names, in Node the other end of the socket.
 * Other platforms' headers are not believed: a caller can write anything into them. The same goes for Cloudflare's
 * where Cloudflare is not in front: workerd on one's own, or another Worker by a service binding. Then there is no
 * address.
 */
export function requestPeer({ req, env }: Context): Peer {
  // A Worker has other bindings, or none.
  const address =
    navigator.userAgent === "Cloudflare-Workers"
      ? cameByCloudflare(req.raw) && req.header("CF-Connecting-IP")
      : (env as NodeBindings | undefined)?.incoming?.socket?.remoteAddress;
  return address ? { address } : {};
}

/**
 * Cloudflare's network says with each request from outside what it knows of it, in a property that no header can set
 * (https://developers.cloudflare.com/workers/runtime-apis/request/#incomingrequestcfproperties).
 */
function cameByCloudflare(request: Request & { readonly cf?: unknown }): boolean {
  return typeof request.cf === "object" && request.cf !== null;
}
