import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { createContextValues } from "@connectrpc/connect";

/** A call as it comes in. */
export interface CallContextInit {
  readonly method: DescMethod;
  readonly protocolName: string;
  /** The method of HTTP. Default: "POST". */
  readonly requestMethod?: string;
  readonly url: string;
  /** Time left until the deadline, in milliseconds; `undefined` without one. */
  readonly timeoutMs: number | undefined;
  /** Makes the request's headers when they are first read; they become the handler's own. */
  readonly requestHeader: () => Headers;
}

/** A handler's context, with what ends the call for it. */
export interface CallContext extends HandlerContext {
  /** The response's headers, if the handler or an interceptor has read them. */
  readonly responseHeaderIfAny: Headers | undefined;
  /** The response's trailers, if the handler or an interceptor has read them. */
  readonly responseTrailerIfAny: Headers | undefined;
  /** Aborts the signal; only the first reason counts. */
  abort(reason?: unknown): void;
}

/** The abort reason of a call that is over; made once, as a stack trace is slow to make. */
const ended = new Error("the call has ended");

/**
 * Makes a handler's context. Unlike Connect's createHandlerContext it starts no timers or listeners for deadline and
 * caller: the call does that itself. Signal and headers are made when they are first read.
 */
export function createCallContext(init: CallContextInit): CallContext {
  return new LazyCallContext(init) as LazyCallContext & LazyMembers;
}

/** Made when first read. */
interface LazyMembers {
  signal: AbortSignal;
  requestHeader: Headers;
  responseHeader: Headers;
  responseTrailer: Headers;
}

class LazyCallContext {
  readonly method: DescMethod;
  readonly service: DescService;
  readonly requestMethod: string;
  readonly protocolName: string;
  readonly url: string;
  readonly values = createContextValues();
  readonly timeoutMs: () => number | undefined;
  readonly #made: Partial<LazyMembers> = {};
  readonly #makeRequestHeader: () => Headers;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  constructor({ method, protocolName, requestMethod = "POST", url, timeoutMs, requestHeader }: CallContextInit) {
    this.method = method;
    this.service = method.parent;
    this.protocolName = protocolName;
    this.requestMethod = requestMethod;
    this.url = url;
    this.#makeRequestHeader = requestHeader;
    const expires = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
    this.timeoutMs = () => (expires === undefined ? undefined : expires - performance.now());
    // Properties of its own, so that a copy of the context, such as Connect makes for interceptors, has them too.
    Object.defineProperty(this, "signal", LazyCallContext.#signal);
    Object.defineProperty(this, "requestHeader", LazyCallContext.#requestHeader);
    Object.defineProperty(this, "responseHeader", LazyCallContext.#responseHeader);
    Object.defineProperty(this, "responseTrailer", LazyCallContext.#responseTrailer);
  }

  get responseHeaderIfAny() {
    return this.#made.responseHeader;
  }

  get responseTrailerIfAny() {
    return this.#made.responseTrailer;
  }

  abort(reason: unknown = ended) {
    this.#aborted ??= { reason };
    this.#controller?.abort(this.#aborted.reason);
  }

  #makeSignal() {
    this.#controller = new AbortController();
    if (this.#aborted !== undefined) {
      this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  static #lazy<Name extends keyof LazyMembers>(
    name: Name,
    make: (context: LazyCallContext) => LazyMembers[Name],
  ): PropertyDescriptor & ThisType<LazyCallContext> {
    return {
      enumerable: true,
      get() {
        this.#made[name] ??= make(this);
        return this.#made[name];
      },
    };
  }

  static readonly #signal = LazyCallContext.#lazy("signal", (context) => context.#makeSignal());
  static readonly #requestHeader = LazyCallContext.#lazy("requestHeader", (context) => context.#makeRequestHeader());
  static readonly #responseHeader = LazyCallContext.#lazy("responseHeader", () => new Headers());
  static readonly #responseTrailer = LazyCallContext.#lazy("responseTrailer", () => new Headers());
}
