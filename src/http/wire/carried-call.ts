import { Code, ConnectError } from "@connectrpc/connect";
import { settlesAtOnce } from "../../base/async/at-once.ts";
import { setDeadlineTimer } from "../../base/async/within.ts";
import { Call, callEnded } from "../../call/call.ts";
import type { CallContext } from "../../call/call-context.ts";
import { createCallContext } from "../../call/call-context.ts";
import type { CallPolicy } from "../../call/call-policy.ts";
import { concealError, revealErrors } from "../../call/errors/error-for-caller.ts";
import { dropUnsendable } from "../../call/messages/metadata.ts";
import { peerKey } from "../../call/peer.ts";
import { passGate } from "../../call/request-gate.ts";
import { setRequestId } from "../../call/request-id.ts";
import { timedOut } from "../../call/time/deadline.ts";
import { nothingSent } from "../../call/time/idle-timer.ts";
import type { Boundaries } from "../envelope-boundaries.ts";
import type { LimitedBody } from "../limited-body.ts";
import { bodyTooLong, limitBody } from "../limited-body.ts";
import type { CallRequest } from "./carrier.ts";
import type { ServedMethod } from "./served-method.ts";
import type { ReadTimeout } from "./timeout.ts";
import { limitTimeout } from "./timeout.ts";

/** What a call is made of. */
export interface CallParts {
  readonly method: ServedMethod;
  readonly request: CallRequest;
  /** The id that the response carries. */
  readonly requestId: string;
  readonly policy: CallPolicy;
}

/** What a call reads of its protocol's header fields. */
export interface ProtocolFields {
  readonly name: string;
  readonly timeoutField: string;
  readonly readTimeout: ReadTimeout;
}

/**
 * A call over HTTP, whatever its protocol and what carries it. Most calls settle at once: timers, and listeners for the caller and
 * the shutdown, are set when there is something to wait for.
 */
export abstract class CarriedCall extends Call {
  protected readonly parts: CallParts;
  protected readonly context: CallContext;
  /** The refusal of a timeout that is asked for in a wrong way. */
  readonly #timeoutError: ConnectError | undefined;
  /** Ends the one wait that there is. */
  #reject: ((error: ConnectError) => void) | undefined;
  /** The reason for which the call has ended before its handler. */
  #interrupted: ConnectError | undefined;
  #watching = false;
  #body: LimitedBody | undefined;

  constructor(parts: CallParts, { name, timeoutField, readTimeout }: ProtocolFields) {
    super();
    this.parts = parts;
    const { method, request, requestId, policy } = parts;
    const { maxTimeoutMs } = method;
    const { maxDeadlineMs } = policy.limits;
    const asked = limitTimeout(request.header.get(timeoutField), readTimeout, { maxDeadlineMs, maxTimeoutMs });
    this.#timeoutError = asked.error;
    this.context = createCallContext({
      method: method.desc,
      protocolName: name,
      requestMethod: request.method,
      url: request.url,
      timeoutMs: asked.timeoutMs,
      requestHeader: () => new Headers(request.header),
    });
    const { values } = this.context;
    values.set(peerKey, request.peer);
    setRequestId(values, requestId);
    if (policy.revealErrors) {
      revealErrors(values);
    }
    this.observe(policy.observer, this.context);
  }

  /** True if the request carries one message, whose body is limited as a whole. */
  get #oneMessage(): boolean {
    const { methodKind } = this.parts.method.desc;
    return methodKind === "unary" || methodKind === "server_streaming";
  }

  get #maxBodyBytes(): number | undefined {
    return this.#oneMessage ? this.parts.policy.limits.maxBodyBytes : undefined;
  }

  /**
   * Passes the gates, before anything of the body is read.
   * @param leastBytes Bytes that the body has at least, by what is announced.
   */
  protected async admit(leastBytes: number): Promise<void> {
    const { method, policy } = this.parts;
    const { requestGate } = method.entry;
    const maxBytes = this.#maxBodyBytes;
    if (maxBytes !== undefined && leastBytes > maxBytes) {
      throw bodyTooLong(maxBytes);
    }
    if (policy.gate !== undefined) {
      await this.until(passGate(policy.gate, this.context, policy.log));
    }
    if (requestGate !== undefined) {
      await this.until(passGate(requestGate, this.context, policy.log));
    }
    const refused = this.#interrupted ?? this.#timeoutError;
    if (refused !== undefined) {
      throw refused;
    }
  }

  /** The request's body, within the limits. */
  protected openBody(body: AsyncIterable<Uint8Array>, kind: Boundaries["kind"]): AsyncIterableIterator<Uint8Array> {
    const { maxMessageBytes, idleTimeoutMs } = this.parts.policy.limits;
    this.#body = limitBody(body, {
      maxBytes: this.#maxBodyBytes,
      idleTimeoutMs: this.#oneMessage ? idleTimeoutMs : undefined,
      boundaries: { kind, maxMessageBytes },
      onBytes: (byteLength) => {
        this.requestBytes += byteLength;
        this.moved();
      },
    });
    return this.#body;
  }

  /** Reads a body that is short by what is announced, with one timer for all that it may take too long for. */
  protected async readWhole(whole: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const leftMs = this.context.timeoutMs() ?? Number.POSITIVE_INFINITY;
    const { idleTimeoutMs = Number.POSITIVE_INFINITY } = this.parts.policy.limits;
    const waitMs = Math.max(0, Math.min(leftMs, idleTimeoutMs));
    const late = () => this.expire(leftMs <= idleTimeoutMs ? timedOut() : nothingSent(idleTimeoutMs));
    const timer = waitMs === Number.POSITIVE_INFINITY ? undefined : setDeadlineTimer(late, waitMs);
    try {
      const bytes = await this.untilInterrupted(whole());
      this.requestBytes = bytes.byteLength;
      const maxBytes = this.#maxBodyBytes;
      if (maxBytes !== undefined && bytes.byteLength > maxBytes) {
        throw bodyTooLong(maxBytes);
      }
      return bytes;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits for something, no longer than the call lasts. What settles at once costs nothing more. */
  protected async until<T>(promise: Promise<T>): Promise<T> {
    return (await settlesAtOnce(promise)) ? promise : this.untilEnd(promise);
  }

  /** Waits for a handler, which may go on when the call has ended. */
  protected async untilHandled<T>(handler: Promise<T>): Promise<T> {
    if (await settlesAtOnce(handler)) {
      return handler;
    }
    // Now, as a platform may take nothing more for a call whose caller has gone.
    this.parts.request.waitUntil(handler);
    return this.untilEnd(handler);
  }

  /** Waits for something, no longer than the call lasts. */
  protected untilEnd<T>(promise: Promise<T>): Promise<T> {
    this.watch();
    return this.untilInterrupted(promise);
  }

  protected untilInterrupted<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#interrupted === undefined) {
        this.#reject = reject;
      } else {
        reject(this.#interrupted);
      }
      promise.then(resolve, reject);
    });
  }

  /** From now on the call's deadline, its caller's leaving and the shutdown end it. */
  protected watch(): void {
    if (this.#watching || this.ended) {
      return;
    }
    this.#watching = true;
    const leftMs = this.context.timeoutMs();
    if (leftMs !== undefined) {
      this.startDeadline(Math.max(0, leftMs));
    }
    const { request, method } = this.parts;
    listen(request.signal, this.#onLeft);
    listen(method.shutdownSignal, this.#onShutdown);
  }

  readonly #onLeft = () => this.leave(callerClosed(this.parts.request));

  readonly #onShutdown = () => {
    this.expire(ConnectError.from(this.parts.method.shutdownSignal?.reason, Code.Internal));
  };

  /** The caller has gone. */
  protected leave(error: ConnectError): void {
    this.expire(error);
  }

  /** Ends the call before its handler has. */
  protected expire(error: ConnectError): void {
    if (this.ended || this.#interrupted !== undefined) {
      return;
    }
    this.#interrupted = error;
    this.#reject?.(error);
    this.#body?.fail(error);
    this.context.abort(error);
  }

  /** The error that the caller gets, of whatever a handler has thrown. */
  protected conceal(thrown: unknown): ConnectError {
    return this.#interrupted ?? concealError(thrown, this.context, this.parts.policy.log);
  }

  /** The error that the caller gets, of something that has failed before the handler has begun. */
  protected refusal(thrown: unknown): ConnectError {
    const { request } = this.parts;
    if (this.#interrupted !== undefined || thrown instanceof ConnectError) {
      return this.#interrupted ?? ConnectError.from(thrown);
    }
    return request.signal.aborted
      ? callerClosed(request)
      : new ConnectError("internal error", Code.Internal, undefined, undefined, thrown);
  }

  /** Leaves out of the response's header what can't be sent. */
  protected sendableHeader(): Headers | undefined {
    const { responseHeaderIfAny } = this.context;
    dropUnsendable(responseHeaderIfAny, "response's header", this.parts.policy.log);
    return responseHeaderIfAny && new Headers(responseHeaderIfAny);
  }

  /** Leaves out of the response's trailers what can't be sent. */
  protected sendableTrailer(): Headers | undefined {
    const { responseTrailerIfAny } = this.context;
    dropUnsendable(responseTrailerIfAny, "response's trailer", this.parts.policy.log);
    return responseTrailerIfAny;
  }

  /**
   * The call has ended, with its handler or before.
   * @param failure What the caller was told, if it has failed.
   */
  protected finish(failure?: ConnectError): void {
    if (this.ended) {
      return;
    }
    this.markEnded();
    if (this.#watching) {
      const { request, method } = this.parts;
      request.signal.removeEventListener("abort", this.#onLeft);
      method.shutdownSignal?.removeEventListener("abort", this.#onShutdown);
    }
    // A handler that still reads would go on for as long as the caller sends.
    this.#body?.fail(failure ?? callEnded());
    this.context.abort(failure);
    if (this.observed) {
      this.endObservation(failure);
    }
  }
}

function callerClosed({ signal }: CallRequest): ConnectError {
  return new ConnectError("the caller closed the connection", Code.Canceled, undefined, undefined, signal.reason);
}

function listen(signal: AbortSignal | undefined, onAbort: () => void) {
  if (signal?.aborted) {
    onAbort();
  } else {
    signal?.addEventListener("abort", onAbort);
  }
}
