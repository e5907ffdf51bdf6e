import { create, toBinary } from "@bufbuild/protobuf";
import type { ContextValues, HandlerContext, Interceptor } from "@connectrpc/connect";
import { Code, ConnectError, createContextKey } from "@connectrpc/connect";
import { isPlugboardError } from "../plugin/errors.ts";
import { log } from "../plugin/log.ts";
import { requestIdOf } from "./request-id.ts";

/** What has to be known of a call to conceal its errors. */
export type CallInTrouble = Pick<HandlerContext, "method" | "signal" | "values" | "requestHeader">;

const reveal = createContextKey(false, { description: "reveal errors" });

/** Lets a call's errors reach its caller as they are. */
export function revealErrors(values: ContextValues): void {
  values.set(reveal, true);
}

/**
 * What a caller gets to see of what a handler or an interceptor of the plugin threw, over every route: a ConnectError,
 * since throwing one means to tell the caller. Anything else is "internal error" to the caller and goes to the plugin's
 * own log, on stderr or in the Worker's log. That includes the errors of Plugboard itself: when a plugin loads or calls
 * another one, they hold what that one printed, and paths of its machine.
 */
export function concealError(error: unknown, call: CallInTrouble): ConnectError {
  if (error instanceof ConnectError && !isPlugboardError(error)) {
    return error;
  }
  const { method, signal, values } = call;
  // A call that has ended may make its handler throw whatever it likes; its caller has had an answer.
  if (!signal.aborted) {
    log("ERROR", `${method.parent.typeName}/${method.name} failed, request ${requestIdOf(call)}:`, error);
  }
  const message = values.get(reveal) ? String(error) : "internal error";
  return new ConnectError(message, Code.Internal);
}

/** Conceals what must not reach callers from handlers and from the interceptors that run inside this one. */
export const concealErrors: Interceptor = (next) => async (request) => {
  const { method, signal, contextValues: values, header: requestHeader } = request;
  const call = { method, signal, values, requestHeader };
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: concealStreamErrors(response.message, call) } : response;
  } catch (error) {
    throw concealError(error, call);
  }
};

async function* concealStreamErrors<T>(messages: AsyncIterable<T>, call: CallInTrouble) {
  try {
    yield* messages;
  } catch (error) {
    throw concealError(error, call);
  }
}

/**
 * Turns what a handler threw into what a caller in the same process gets to see, as a wire would: a new ConnectError
 * with code, message, details and metadata.
 */
export function errorForCaller(thrown: unknown, context: HandlerContext): ConnectError {
  const error = concealError(thrown, context);
  const metadata = new Headers(context.responseHeader);
  for (const headers of [context.responseTrailer, error.metadata]) {
    headers.forEach((value, key) => {
      metadata.append(key, value);
    });
  }
  const forCaller = new ConnectError(error.rawMessage, error.code, metadata);
  forCaller.details = error.details.map((detail) =>
    "desc" in detail
      ? { type: detail.desc.typeName, value: toBinary(detail.desc, create(detail.desc, detail.value)) }
      : { type: detail.type, value: detail.value.slice() },
  );
  return forCaller;
}
