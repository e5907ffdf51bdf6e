import type { DescMethod } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext, Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { isPlugboardError } from "../plugin/errors.ts";
import { log } from "../plugin/log.ts";

/**
 * What a caller gets to see of what a handler or an interceptor of the plugin threw, over every route: a ConnectError,
 * since throwing one means to tell the caller. Anything else is "internal error" to the caller and goes to the plugin's
 * own log, on stderr or in the Worker's log. That includes the errors of Plugboard itself: when a plugin loads or calls
 * another one, they hold what that one printed, and paths of its machine.
 */
export function concealError(error: unknown, method: DescMethod, signal: AbortSignal): ConnectError {
  if (error instanceof ConnectError && !isPlugboardError(error)) {
    return error;
  }
  // A call that has ended may make its handler throw whatever it likes; its caller has had an answer.
  if (!signal.aborted) {
    log("ERROR", `${method.parent.typeName}/${method.name} failed:`, error);
  }
  return new ConnectError("internal error", Code.Internal);
}

/** Conceals what must not reach callers from handlers and from the interceptors that run inside this one. */
export const concealErrors: Interceptor = (next) => async (request) => {
  const { method, signal } = request;
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: concealStreamErrors(response.message, method, signal) } : response;
  } catch (error) {
    throw concealError(error, method, signal);
  }
};

async function* concealStreamErrors<T>(messages: AsyncIterable<T>, method: DescMethod, signal: AbortSignal) {
  try {
    yield* messages;
  } catch (error) {
    throw concealError(error, method, signal);
  }
}

/**
 * Turns what a handler threw into what a caller in the same process gets to see, as a wire would: a new ConnectError
 * with code, message, details and metadata.
 */
export function errorForCaller(thrown: unknown, context: HandlerContext): ConnectError {
  const error = concealError(thrown, context.method, context.signal);
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
