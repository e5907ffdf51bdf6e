import type { Meter, Tracer } from "@opentelemetry/api";
import { context, SpanKind, trace } from "@opentelemetry/api";
import type { CallObserver } from "../call/call-observer.ts";
import { peerKey } from "../call/peer.ts";
import { setTraceHeaders } from "../call/trace-context.ts";
import type { CallMetrics } from "./call-metrics.ts";
import { createCallMetrics } from "./call-metrics.ts";
import { parentOf } from "./parent-span.ts";
import {
  callAttributes,
  endAttributes,
  endSpan,
  instrumentation,
  isServerFailure,
  methodName,
} from "./rpc-conventions.ts";
import { inject } from "./w3c-trace-context.ts";

/** With what to observe calls. */
export interface OpenTelemetryOptions {
  /** Makes the spans. Default: that of the process's SDK; without one there are none. */
  readonly tracer?: Tracer;
  /** Makes the instruments. Default: that of the process's SDK, when the first call comes in; without one there are none. */
  readonly meter?: Meter;
}

/**
 * Makes a server span of each call, in its caller's trace, in which the handler runs, and measures it. The process's
 * OpenTelemetry SDK decides what goes where; see docs/observability.md.
 *
 * ```ts
 * await serve(plugin, { observers: [openTelemetry()] });
 * ```
 */
export function openTelemetry({
  tracer = trace.getTracer(instrumentation),
  meter,
}: OpenTelemetryOptions = {}): CallObserver {
  // Not before there is a call, as an SDK can be registered until then.
  let metrics: CallMetrics | undefined;
  return {
    begin({ method, protocolName, requestHeader, values }) {
      metrics ??= createCallMetrics(meter);
      const measured = metrics;
      const started = performance.now();
      const attributes = callAttributes(method, protocolName);
      const { address } = values.get(peerKey);
      const parent = parentOf(requestHeader);
      const span = tracer.startSpan(
        methodName(method),
        {
          kind: SpanKind.SERVER,
          attributes: { ...attributes, ...(address !== undefined && { "client.address": address }) },
        },
        parent,
      );
      const inSpan = trace.setSpan(parent, span);
      setTraceHeaders(values, inject(inSpan));
      measured.begin(attributes);
      return {
        run: (piece) => context.with(inSpan, piece),
        end(outcome) {
          const failed = isServerFailure(outcome.error);
          const ended = endAttributes(protocolName, outcome.error, failed);
          endSpan(span, ended, failed);
          context.with(inSpan, () => measured.end(attributes, ended, (performance.now() - started) / 1000, outcome));
        },
      };
    },
  };
}
