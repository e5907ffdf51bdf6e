import { createContextKey } from "@connectrpc/connect";
import type { Peer } from "../../call/peer.ts";

/** The caller of a method, once it is known. */
export interface Caller {
  /** Its name, unique among callers, such as the `sub` of its token. */
  readonly subject: string;
  /** Its permissions, such as "notes.write". */
  readonly scopes: readonly string[];
  /** The claims of its token. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** The credentials of a call, or of a request for a WebSocket. */
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
  /** Aborted when the response is no longer wanted. */
  readonly signal: AbortSignal;
}

/**
 * Tells who makes a call; `undefined` if that can't be told. Throws a ConnectError to refuse in words of its own. Whatever
 * else it throws is taken for a mistake in it: the call is refused as an internal error, and the log has the reason.
 */
export type Authenticate = (credentials: Credentials) => Caller | undefined | Promise<Caller | undefined>;

/**
 * The context key of a call's caller, for handlers: `context.values.get(callerKey)`. `undefined` where no caller is
 * asked for: where the plugin is served without `auth`, to the host that has started it, and in public methods.
 */
export const callerKey = createContextKey<Caller | undefined>(undefined, { description: "caller" });
