import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import { createContextKey } from "@connectrpc/connect";

/** Headers that say what trace a call is part of, see https://www.w3.org/TR/trace-context. */
const fromCaller = ["traceparent", "tracestate"];

const ofSpan = createContextKey<Readonly<Record<string, string>> | undefined>(undefined, {
  description: "headers of the call's span",
});

/** Says what a call's further calls are to be part of: the span that was begun for it. */
export function setTraceHeaders(values: ContextValues, headers: Readonly<Record<string, string>>): void {
  values.set(ofSpan, headers);
}

/** The headers that make further calls part of the same trace: those of the call's span, else what its caller sent. */
export function traceHeadersOf({
  values,
  requestHeader,
}: Pick<HandlerContext, "values" | "requestHeader">): Readonly<Record<string, string>> {
  return (
    values.get(ofSpan) ??
    Object.fromEntries(
      fromCaller.flatMap((name) => {
        const value = requestHeader.get(name);
        return value === null ? [] : [[name, value]];
      }),
    )
  );
}

/** The id of the trace that a call is part of; `undefined` if it is part of none. */
export function traceIdOf(context: Pick<HandlerContext, "values" | "requestHeader">): string | undefined {
  return /^[\da-f]{2}-([\da-f]{32})-/.exec(traceHeadersOf(context).traceparent ?? "")?.[1];
}
