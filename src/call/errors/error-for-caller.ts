import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError, createContextKey } from "@connectrpc/connect";
import { isPlugboardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { defaultLog } from "../../base/log.ts";
import type { CallContext } from "../call-context.ts";
import { dropUnsendable } from "../messages/metadata.ts";
import { requestIdHeader, requestIdOf } from "../request-id.ts";
import { fitError, fitMessage } from "./fit-error.ts";

/** The parts of a call that concealing its errors needs. */
export type CallInTrouble = Pick<HandlerContext, "method" | "signal" | "values" | "requestHeader">;

const reveal = createContextKey(false, { description: "reveal errors" });

/** Lets a call's errors reach its caller as they are. */
export function revealErrors(values: ContextValues): void {
  values.set(reveal, true);
}

/**
 * Turns what a handler or an interceptor of the plugin threw into the error that the caller gets, the same over every
 * route. A ConnectError is meant for the caller, and is made fit for every protocol. Anything else, also a ConnectError
 * that no protocol could carry, is "internal error" to the caller and goes to the plugin's own log, on stderr or in the
 * Worker's log. That includes the errors of Plugboard itself: when a plugin loads or calls another one, they hold what
 * that one printed, and paths of its machine.
 */
export function concealError(thrown: unknown, call: CallInTrouble, log: Log): ConnectError {
  let misfit: unknown;
  try {
    if (thrown instanceof ConnectError && !isPlugboardError(thrown)) {
      return fitError(thrown, log);
    }
  } catch (error) {
    misfit = error;
  }
  const { method, signal, values } = call;
  // A call that has ended may make its handler throw anything; its caller has had a response.
  if (!signal.aborted) {
    const name = `${method.parent.typeName}/${method.name}`;
    const why = misfit === undefined ? "" : ` with an error that can't be sent (${messageOf(misfit, log)})`;
    log.line("ERROR", `${name} failed${why}, request ${requestIdOf(call)}:`, thrown);
  }
  return new ConnectError(values.get(reveal) ? messageOf(thrown, log) : "internal error", Code.Internal);
}

/** Something that was thrown as one text, whatever it is. */
function messageOf(thrown: unknown, log: Log): string {
  try {
    return fitMessage(String(thrown), log);
  } catch {
    return "looking at it throws";
  }
}

/**
 * Turns what a handler threw into what a caller in the same process gets to see, as a wire would: a new ConnectError
 * with code, message, details and metadata.
 */
export function errorForCaller(thrown: unknown, context: CallContext): ConnectError {
  const error = concealError(thrown, context, defaultLog);
  dropUnsendable(context.responseHeaderIfAny, "response's header", defaultLog);
  dropUnsendable(context.responseTrailerIfAny, "response's trailer", defaultLog);
  const metadata = new Headers(context.responseHeaderIfAny);
  for (const headers of [context.responseTrailerIfAny, error.metadata]) {
    headers?.forEach((value, key) => {
      metadata.append(key, value);
    });
  }
  if (!metadata.has(requestIdHeader)) {
    metadata.set(requestIdHeader, requestIdOf(context));
  }
  const forCaller = new ConnectError(error.rawMessage, error.code, metadata);
  forCaller.details = error.details;
  // A handler that lets it through responds to another call, whose metadata this is not.
  forCaller.isWireError = true;
  return forCaller;
}
