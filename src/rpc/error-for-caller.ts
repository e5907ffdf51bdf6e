import { create, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Turns what a handler threw into what a caller gets to see, as a wire would: a new ConnectError with code, message,
 * details and metadata; "internal error" for anything else, so that nothing leaks that was not meant for the caller.
 */
export function errorForCaller(error: unknown, context: HandlerContext): ConnectError {
  if (!(error instanceof ConnectError)) {
    return new ConnectError("internal error", Code.Internal);
  }
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
