import type { DescMethod, DescService } from "@bufbuild/protobuf";
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
  return new LazyCallContext(init);
}

/** Makes its signal when somebody asks for it: telling a signal that a call is over costs more than the call's headers. */
class LazyCallContext implements CallContext {
  readonly method: DescMethod;
  readonly service: DescService;
  readonly requestMethod = "POST";
  readonly protocolName: string;
  readonly url: string;
  readonly values = createContextValues();
  readonly requestHeader: Headers;
  readonly responseHeader = new Headers();
  readonly responseTrailer = new Headers();
  readonly timeoutMs: () => number | undefined;
  declare readonly signal: AbortSignal;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  constructor({ method, protocolName, url, timeoutMs, requestHeader }: CallContextInit) {
    this.method = method;
    this.service = method.parent;
    this.protocolName = protocolName;
    this.url = url;
    this.requestHeader = requestHeader;
    const expires = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
    this.timeoutMs = () => (expires === undefined ? undefined : expires - performance.now());
    // A property of its own, so that a copy of the context, such as Connect makes for interceptors, has it too.
    Object.defineProperty(this, "signal", lazySignal);
  }

  /** Made when it is asked for. */
  controller(): AbortController {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) {
        this.#controller.abort(this.#aborted.reason);
      }
    }
    return this.#controller;
  }

  abort(reason: unknown = ended) {
    this.#aborted ??= { reason };
    this.#controller?.abort(reason);
  }
}

const lazySignal: PropertyDescriptor & ThisType<LazyCallContext> = {
  enumerable: true,
  get() {
    return this.controller().signal;
  },
};
