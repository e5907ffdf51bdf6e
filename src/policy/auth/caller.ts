import { createContextKey } from "@connectrpc/connect";
import type { Peer } from "../../call/peer.ts";

/** Who makes a call. */
export interface Caller {
  /** Who it is, by a name that is its own, such as the `sub` of its token. */
  readonly subject: string;
  /** What it is allowed to do, such as "notes.write". */
  readonly scopes: readonly string[];
  /** What its token says beside that. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** What is known of whoever makes a call, or opens a WebSocket. */
export interface Credentials {
  /** The token of `Authorization: Bearer`: of the call, else of the WebSocket that it comes by. */
  readonly token: string | undefined;
  /**
   * The headers of the call, or of the request that is to become a WebSocket. A call over a WebSocket can't replace what that
   * request has said; over plain ttrpc, all of them are the caller's own words.
   */
  readonly headers: Headers;
  /** The other end of the connection. */
  readonly peer: Peer;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * Tells who makes a call; `undefined` if that can't be told. Throws a ConnectError to refuse in words of its own. Whatever
 * else it throws is taken for a mistake in it: the call is refused as an internal error, and the log has the reason.
 */
export type Authenticate = (credentials: Credentials) => Caller | undefined | Promise<Caller | undefined>;

/**
 * Where a handler finds who calls it: `context.values.get(callerKey)`. `undefined` if nobody has to say so: where the plugin
 * is served without `auth`, to the host that has started it, and in public methods.
 */
export const callerKey = createContextKey<Caller | undefined>(undefined, { description: "caller" });
