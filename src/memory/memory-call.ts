import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Call, callEnded } from "../call/call.ts";
import type { CallContext } from "../call/call-context.ts";
import { createCallContext } from "../call/call-context.ts";
import type { CallObserver } from "../call/call-observer.ts";
import type { AnyMessage } from "../call/invoke/handler-output.ts";
import { methodPath } from "../plugin/method-path.ts";

/** The calls of one transport. */
export interface MemoryCalls {
  readonly inFlight: Set<MemoryCall>;
  /** Takes over a handler whose call was ended. */
  track(handler: Promise<unknown>): void;
  readonly observer: CallObserver | undefined;
}

/** A call in flight: ended by its handler, its caller, its deadline, or the transport's end. */
export class MemoryCall extends Call {
  readonly context: CallContext;
  /** The error that ended it before its handler did. */
  failure: unknown;
  /** Awaited by `close`, if the call is ended before it. */
  handler: Promise<unknown> | undefined;
  readonly #calls: MemoryCalls;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;
  #waiting: Set<(reason: unknown) => void> | undefined;
  #onEnd: (() => void) | undefined;

  constructor(
    calls: MemoryCalls,
    method: DescMethod,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
  ) {
    super();
    // As in Connect's transports, zero and less mean no deadline.
    const deadline = timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : undefined;
    this.context = createCallContext({
      method,
      protocolName: "memory",
      url: `memory:${methodPath(method)}`,
      timeoutMs: deadline,
      requestHeader: () => new Headers(header),
    });
    this.#calls = calls;
    this.observe(calls.observer, this.context);
    this.#signal = signal;
    calls.inFlight.add(this);
    if (signal !== undefined) {
      this.#onAbort = () => this.fail(ConnectError.from(signal.reason, Code.Canceled));
      signal.addEventListener("abort", this.#onAbort);
    }
    if (deadline !== undefined) {
      this.startDeadline(deadline);
    }
  }

  /** Lets a streaming handler go on to its next message. */
  next(responses: AsyncIterator<AnyMessage>): Promise<IteratorResult<AnyMessage>> {
    return this.run(() => responses.next());
  }

  /** Waits for something, but no longer than the call lasts; then rejects with what ended it. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.ended) {
        reject(this.failure ?? callEnded());
      }
      this.#waiting ??= new Set();
      const waiting = this.#waiting;
      waiting.add(reject);
      promise.then(
        (value) => {
          waiting.delete(reject);
          resolve(value);
        },
        (error: unknown) => {
          waiting.delete(reject);
          reject(error);
        },
      );
    });
  }

  onEnd(listener: () => void) {
    this.#onEnd = listener;
  }

  protected expire(error: ConnectError): void {
    this.fail(error);
  }

  /** Ends the call before its handler has. */
  fail(reason: unknown) {
    if (!this.ended) {
      this.failure = reason;
      if (this.handler !== undefined) {
        this.#calls.track(this.handler);
      }
      this.end();
      for (const reject of this.#waiting ?? []) {
        reject(reason);
      }
    }
  }

  /**
   * Ends the call.
   * @param error The handler's failure; `undefined` if it succeeded.
   */
  end(error?: ConnectError) {
    if (this.ended) {
      return;
    }
    this.markEnded();
    this.#calls.inFlight.delete(this);
    if (this.#onAbort !== undefined) {
      this.#signal?.removeEventListener("abort", this.#onAbort);
    }
    if (this.observed) {
      // Messages are handed over, and have no bytes.
      this.endObservation(this.failure === undefined ? error : ConnectError.from(this.failure), false);
    }
    this.context.abort(this.failure === undefined ? undefined : reasonForHandler(this.failure));
    this.#onEnd?.();
  }
}

/**
 * The reason of the handler's signal: an error of its own, as over a wire. The caller's own reason stays with the
 * caller.
 */
function reasonForHandler(failure: unknown): ConnectError {
  return failure instanceof ConnectError && failure.code === Code.DeadlineExceeded
    ? new ConnectError(failure.rawMessage, Code.DeadlineExceeded)
    : new ConnectError("the caller has ended the call", Code.Canceled);
}
