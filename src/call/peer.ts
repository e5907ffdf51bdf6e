import { createContextKey } from "@connectrpc/connect";

/** The other end of the connection that a call came by. */
export interface Peer {
  /** Its address: of TCP without port, at the edge what the platform says. `undefined` for Unix sockets and the like. */
  readonly address?: string;
  /** `Authorization` of the request that became a WebSocket, whose calls have none of their own. */
  readonly authorization?: string;
  /**
   * Fields of the request that became a WebSocket, names in lower case, but for its authorization and trace. They count for
   * each of its calls, whose metadata can't replace them.
   */
  readonly upgradeFields?: ReadonlyMap<string, string>;
}

/**
 * The context key of a call's peer, for handlers and the `key` of a rate limit: `context.values.get(peerKey)`. Never
 * `undefined`.
 */
export const peerKey = createContextKey<Peer>({}, { description: "peer" });
