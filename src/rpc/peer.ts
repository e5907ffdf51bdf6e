import { createContextKey } from "@connectrpc/connect";

/** The other end of the connection that a call came by. */
export interface Peer {
  /** Its address: of TCP without port, at the edge what the platform says. `undefined` for Unix sockets and the like. */
  readonly address?: string;
  /** `Authorization` of the request that became a WebSocket, whose calls have none of their own. */
  readonly authorization?: string;
}

/** Where a handler finds its call's peer: `context.values.get(peerKey)`. */
export const peerKey = createContextKey<Peer>({}, { description: "peer" });
