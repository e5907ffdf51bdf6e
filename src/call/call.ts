import type { HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { setDeadlineTimer } from "../base/async/within.ts";
import type { CallObservation, CallObserver } from "./call-observer.ts";
import { runIn } from "./call-observer.ts";
import { timedOut } from "./time/deadline.ts";
import type { IdleTimer } from "./time/idle-timer.ts";
import { createIdleTimer, nothingSent } from "./time/idle-timer.ts";

/**
 * The life of one call on the plugin's side: its deadline, the time in which something must move, what is counted and
 * observed of it, and that it ends once. Each carrier's call is one, rather than has one: a call then costs no object more.
 */
export abstract class Call {
  protected requestBytes = 0;
  protected responseBytes = 0;
  #observation: CallObservation | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #idle: IdleTimer | undefined;
  /** In milliseconds; `undefined` while nothing is expected to move. */
  #idleTimeoutMs: number | undefined;
  #ended = false;

  get ended(): boolean {
    return this.#ended;
  }

  /** Ends the call with this error, before its handler has: its deadline has passed, or nothing has moved for too long. */
  protected abstract expire(error: ConnectError): void;

  protected observe(observer: CallObserver | undefined, context: HandlerContext): void {
    this.#observation = observer?.begin(context);
  }

  /** Runs a piece of the handler as the call's observer wants it. */
  run<T>(piece: () => T): T {
    return runIn(this.#observation, piece);
  }

  /** Lets the call expire in so many milliseconds. */
  protected startDeadline(timeoutMs: number): void {
    this.#deadline = setDeadlineTimer(() => this.expire(timedOut()), timeoutMs);
  }

  /** From now on something is expected to move within so many milliseconds. Default: never. */
  protected expectMoves(idleTimeoutMs: number | undefined): void {
    this.#idleTimeoutMs = idleTimeoutMs;
    this.moved();
  }

  /** Nothing is expected to move, until something does. */
  protected rest(): void {
    this.#idle?.stop();
    this.#idle = undefined;
  }

  /** Something has moved: the time for the next thing begins. Cheap enough for each message. */
  protected moved(): void {
    const timeoutMs = this.#idleTimeoutMs;
    if (this.#idle !== undefined) {
      this.#idle.moved();
    } else if (timeoutMs !== undefined && !this.#ended) {
      this.#idle = createIdleTimer(timeoutMs, () => this.expire(nothingSent(timeoutMs)));
    }
  }

  /** The call has ended: no timer goes off any more. */
  protected markEnded(): void {
    this.#ended = true;
    clearTimeout(this.#deadline);
    this.#idle?.stop();
  }

  protected get observed(): boolean {
    return this.#observation !== undefined;
  }

  /**
   * Reports the outcome of the call to the observer.
   * @param error The error that ended the call; `undefined` if it succeeded.
   * @param counted False if there were no bytes to count.
   */
  protected endObservation(error: ConnectError | undefined, counted = true): void {
    this.#observation?.end({
      error,
      requestBytes: counted ? this.requestBytes : undefined,
      responseBytes: counted ? this.responseBytes : undefined,
    });
  }
}

let ended: ConnectError | undefined;

/**
 * The abort reason of a call that succeeded. Made once, as a stack trace is slow to make; and when first needed, as its
 * headers make Node load all of its HTTP.
 */
export function callEnded(): ConnectError {
  ended ??= new ConnectError("the call has ended", Code.Canceled);
  return ended;
}
