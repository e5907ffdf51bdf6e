import type { ConnectError, HandlerContext } from "@connectrpc/connect";
import { createContextKey } from "@connectrpc/connect";
import { callSafely } from "../base/call-safely.ts";
import type { Log } from "../base/log.ts";
import { defaultLog } from "../base/log.ts";
import { requestIdOf } from "./request-id.ts";

/** Observes the calls of a plugin, on the plugin's side: for logs, metrics and traces. */
export interface CallObserver {
  /** A call has come in; nothing is decided about it yet. */
  begin(context: HandlerContext): CallObservation;
}

/** An observer's view of one call. */
export interface CallObservation {
  /** Runs a piece of the handler, so that something can be around it. Called again for each message of a stream. */
  run?<T>(piece: () => T): T;
  /** The call has ended, well or not. Called once; what it returns is not awaited. */
  end(outcome: CallOutcome): void;
}

/** The outcome of a call. */
export interface CallOutcome {
  /** The error that the caller got; `undefined` if the call succeeded. */
  readonly error: ConnectError | undefined;
  /** Bytes of the request's messages, as they came in; `undefined` in the same process, where there are none. */
  readonly requestBytes: number | undefined;
  /** Bytes of the response's messages, as they went out; `undefined` in the same process. */
  readonly responseBytes: number | undefined;
}

/** The log of what serves a call, for its observers. */
export const logKey = /* @__PURE__ */ createContextKey<Log>(defaultLog, { description: "log" });

/** Runs a piece of a handler as an observation of its call wants it. */
export function runIn<T>(observed: CallObservation | undefined, piece: () => T): T {
  return observed?.run === undefined ? piece() : observed.run(piece);
}

/**
 * Makes one observer of several. What one of them throws is logged, and disturbs neither the others nor the call.
 * @param log The log of what serves the calls.
 */
export function joinObservers(observers: readonly CallObserver[], log: Log): CallObserver | undefined {
  const [first, ...others] = observers.map((each) => careful(each, log));
  if (first === undefined || others.length === 0) {
    return first;
  }
  const all = [first, ...others];
  return {
    begin(context) {
      const begun = all.map((each) => each.begin(context));
      return {
        run: (piece) => begun.reduceRight((inner, each) => () => runIn(each, inner), piece)(),
        end(outcome) {
          for (const each of begun) {
            each.end(outcome);
          }
        },
      };
    },
  };
}

/** Runs a piece in an observation. What that throws itself is logged, and the piece runs all the same. */
function runCarefully<T>(observed: CallObservation, piece: () => T, failed: (error: unknown) => void): T {
  let ran: { readonly value: T } | { readonly error: unknown } | undefined;
  const once = () => {
    try {
      const value = piece();
      ran = { value };
      return value;
    } catch (error) {
      ran = { error };
      throw error;
    }
  };
  try {
    return runIn(observed, once);
  } catch (error) {
    if (ran === undefined) {
      failed(error);
      return piece();
    }
    if ("value" in ran) {
      failed(error);
      return ran.value;
    }
    throw ran.error;
  }
}

function careful(observer: CallObserver, log: Log): CallObserver {
  return {
    begin(context) {
      context.values.set(logKey, log);
      const failed = (error: unknown) =>
        log.line("ERROR", `an observer of calls failed, request ${requestIdOf(context)}:`, error);
      try {
        const begun = observer.begin(context);
        return {
          ...(begun.run && { run: (piece) => runCarefully(begun, piece, failed) }),
          end: (outcome) => callSafely(() => begun.end(outcome), failed),
        };
      } catch (error) {
        failed(error);
        return { end: () => undefined };
      }
    },
  };
}
