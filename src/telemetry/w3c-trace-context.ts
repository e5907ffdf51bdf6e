import type { Context, SpanContext, TextMapGetter, TextMapSetter } from "@opentelemetry/api";
import { createTraceState, isSpanContextValid, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";

const getter: TextMapGetter<Headers> = {
  keys: (headers) => [...headers.keys()],
  get: (headers, name) => headers.get(name) ?? undefined,
};

const setter: TextMapSetter<Record<string, string>> = {
  set(headers, name, value) {
    headers[name] = value;
  },
};

/**
 * The span that a call's headers tell of, by W3C Trace Context (https://www.w3.org/TR/trace-context), and what the process's
 * propagator finds in them beside that, such as baggage.
 */
export function extract(headers: Headers): Context {
  const span = parse(headers.get("traceparent") ?? "", headers.get("tracestate"));
  const sent = span === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, span);
  return propagation.extract(sent, headers, getter);
}

/** The headers that tell of a span, and what the process's propagator has beside that. */
export function inject(context: Context): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  const span = trace.getSpanContext(context);
  if (span !== undefined && isSpanContextValid(span)) {
    const { traceId, spanId, traceFlags, traceState } = span;
    headers.traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
    const state = traceState?.serialize();
    if (state) {
      headers.tracestate = state;
    }
  }
  propagation.inject(context, headers, setter);
  return headers;
}

function parse(traceparent: string, tracestate: string | null): SpanContext | undefined {
  // Later versions may have more to say behind a further "-".
  const [, version, traceId = "", spanId = "", flags = "", more] =
    /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/.exec(traceparent) ?? [];
  const span = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(tracestate !== null && { traceState: createTraceState(tracestate) }),
  };
  const readable = version !== "ff" && !(version === "00" && more !== undefined);
  return readable && isSpanContextValid(span) ? span : undefined;
}
