import type { HandlerContext } from "@connectrpc/connect";
import { createContextKey } from "@connectrpc/connect";

/** The header that carries a request's id, which all log lines about it have, across all plugins that it comes by. */
export const requestIdHeader = "X-Request-Id";

const requestIdKey = createContextKey("", { description: "request id" });

/** The ids of callers that are kept: they go into logs and headers. */
const acceptable = /^[\w.:-]{1,128}$/;

/** The caller's own id of a request if it is one (up to 128 letters, digits, "_", ".", ":", "-"), else a new one. */
export function requestIdFor(fromCaller: string | null | undefined): string {
  return fromCaller && acceptable.test(fromCaller) ? fromCaller : crypto.randomUUID();
}

/** The id of the request that a call came by: what its caller sent as `X-Request-Id`, else one that is made for it. */
export function requestIdOf({ values, requestHeader }: Pick<HandlerContext, "values" | "requestHeader">): string {
  const known = values.get(requestIdKey);
  if (known !== "") {
    return known;
  }
  const id = requestIdFor(requestHeader.get(requestIdHeader));
  values.set(requestIdKey, id);
  return id;
}

/** Sets the id that the response to this request already carries. */
export function setRequestId(values: HandlerContext["values"], id: string): void {
  values.set(requestIdKey, id);
}
