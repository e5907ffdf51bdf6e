import type { Peer } from "../../call/peer.ts";

/** The request of a call, as what carries it hands it over: fetch, or Node's HTTP. */
export interface CallRequest {
  /** As in "1.1". Where both directions can't flow at once, it is below 2. */
  readonly httpVersion: string;
  readonly method: string;
  readonly url: string;
  /** As they came. A handler is given a copy. */
  readonly header: Headers;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
  /** Ends by itself; nothing is read of it before the call has passed its gates. */
  readonly body: AsyncIterable<Uint8Array> | null;
  /** Reads all of the body in one piece, where it is short by its `Content-Length`: in place of `body`, and faster. */
  readonly whole?: (() => Promise<Uint8Array>) | undefined;
  readonly peer: Peer;
  /** Lets something run on when the response has left: a handler that cleans up. */
  readonly waitUntil: (running: Promise<unknown>) => void;
}

/** The response to a call, as what carries it sends it. */
export interface CallResponse {
  readonly status: number;
  /** The fields that the call has of its own; missing if `Content-Type` is the only one. */
  readonly header?: Headers | undefined;
  /** `Content-Type`, where there is no `header`. */
  readonly contentType?: string | undefined;
  /** In one piece, or one by one. If its reader leaves early, it ends the iterator by `return` or `throw`. */
  readonly body?: Uint8Array<ArrayBuffer> | AsyncIterable<Uint8Array> | undefined;
  /** Complete when the body has ended. Only where the protocol has them, and HTTP carries them. */
  readonly trailer?: Headers | undefined;
}

/**
 * Handles the call that a request is.
 * @param requestId The id that its response carries.
 */
export type CallHandler = (request: CallRequest, requestId: string) => Promise<CallResponse>;

/** Looks up what handles the path "/package.Service/Method". */
export type FindCallHandler = (path: string) => CallHandler | undefined;
