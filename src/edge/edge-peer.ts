import type { Context } from "hono";
import type { Peer } from "../rpc/peer.ts";

/** Hono's server for Node binds the request that it has got from Node. */
interface NodeBindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } };
}

/**
 * Who has sent a request: in a Worker the client that Cloudflare names, in Node the other end of the socket. What another
 * platform's headers say is not believed: a caller can write anything into them.
 */
export function edgePeer({ req, env }: Context): Peer {
  // A Worker has other bindings, or none.
  const address =
    navigator.userAgent === "Cloudflare-Workers"
      ? req.header("CF-Connecting-IP")
      : (env as NodeBindings | undefined)?.incoming?.socket?.remoteAddress;
  return address === undefined ? {} : { address };
}
