// Wires OpenTelemetry's SDK so that it prints. In a program of yours an exporter of OTLP stands where this one prints.
import { context, metrics, propagation, SpanKind, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

/** Telemetry of this process. */
export interface Telemetry extends AsyncDisposable {
  /** The spans that have ended, each indented below its parent. */
  spans(): string;
  /** The metrics so far, a line for each name and method. */
  metrics(): Promise<string>;
}

/** Starts the SDK, before anything is observed. */
export function startSdk(): Telemetry {
  const spans = new InMemorySpanExporter();
  const tracers = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter });
  const meters = new MeterProvider({ readers: [reader] });
  // Lets a span be the active one, wherever its handler goes on.
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(tracers);
  metrics.setGlobalMeterProvider(meters);
  return {
    spans: () => tree(spans.getFinishedSpans()).join("\n"),
    async metrics() {
      await reader.forceFlush();
      const found =
        exporter
          .getMetrics()
          .at(-1)
          ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
      return found
        .flatMap(({ descriptor, dataPoints }) =>
          dataPoints.map(({ attributes, value }) => {
            const text = typeof value === "object" && "count" in value ? `${value.count} recorded` : String(value);
            return `${descriptor.name} ${attributes["rpc.method"]} over ${attributes["plugboard.protocol"]}: ${text}`;
          }),
        )
        .join("\n");
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([tracers.shutdown(), meters.shutdown()]);
    },
  };
}

function tree(spans: readonly ReadableSpan[], parent?: string): readonly string[] {
  return spans
    .filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent)
    .flatMap((span) => {
      const { attributes, name } = span;
      const line = `${SpanKind[span.kind]} ${name} (${attributes["plugboard.protocol"]})`;
      return [line, ...tree(spans, span.spanContext().spanId).map((below) => `  ${below}`)];
    });
}
