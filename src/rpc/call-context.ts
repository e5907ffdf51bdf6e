import type { DescMethod } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { createContextValues } from "@connectrpc/connect";

/** What is known of a call when it comes in. */
export interface CallContextInit {
  readonly method: DescMethod;
  readonly protocolName: string;
  readonly url: string;
  /** Time left until the deadline, in milliseconds; `undefined` without one. */
  readonly timeoutMs: number | undefined;
  /** The request's headers; they become the handler's own. */
  readonly requestHeader: Headers;
}

/** A handler's context, with what ends the call for it. */
export interface CallContext extends HandlerContext {
  /** Aborts the signal; only the first reason counts. */
  abort(reason?: unknown): void;
}

/** What a signal says when its call is over; made once, as making an error costs more than a call. */
const ended = new Error("the call has ended");

/**
 * Makes a handler's context. Connect's own createHandlerContext also watches over deadline and caller by signals of
 * their own, which costs as much as the rest of a call in the same process; here whoever runs the call does that.
 */
export function createCallContext(init: CallContextInit): CallContext {
  const { method, timeoutMs } = init;
  const controller = new AbortController();
  const expires = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  return {
    method,
    service: method.parent,
    requestMethod: "POST",
    protocolName: init.protocolName,
    url: init.url,
    signal: controller.signal,
    timeoutMs: () => (expires === undefined ? undefined : expires - performance.now()),
    values: createContextValues(),
    requestHeader: init.requestHeader,
    responseHeader: new Headers(),
    responseTrailer: new Headers(),
    abort: (reason = ended) => controller.abort(reason),
  };
}
