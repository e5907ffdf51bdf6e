import type { Context } from "@opentelemetry/api";
import { context, trace } from "@opentelemetry/api";
import { extract } from "./w3c-trace-context.ts";

/**
 * The parent of a call's span: the span that the headers tell of, or the one that runs here, if it is nearer or the
 * only one. One that has ended does not count: a listener was opened in it, or the like.
 */
export function parentOf(headers: Headers): Context {
  const sent = extract(headers);
  const here = trace.getSpan(context.active());
  if (here?.isRecording() !== true) {
    return sent;
  }
  const remote = trace.getSpanContext(sent);
  return remote === undefined || remote.traceId === here.spanContext().traceId ? trace.setSpan(sent, here) : sent;
}
