import { SpanKind } from "@opentelemetry/api";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Connection } from "plugboard";
import { connect, definePlugin, forward } from "plugboard";
import { edge } from "plugboard/edge";
import { openTelemetry, traceCalls } from "plugboard/telemetry";
import { expect, test, vi } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

/** Calls itself once more if it is told where. */
const relay = (next?: Connection) =>
  definePlugin({
    name: "relay",
    version: "1.0.0",
    routes(router) {
      router.rpc(BehaviourService.method.echo, async (_, call) => {
        await next?.client(BehaviourService).echo({}, forward(call));
        return {};
      });
    },
  });

test("in a Worker, without anything registered, calls from a page to a plugin in the Worker are one trace", async () => {
  const spans = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
  const tracer = provider.getTracer("test");
  const observers = [openTelemetry({ tracer })];
  const interceptors = [traceCalls({ tracer })];
  await using inner = await connect(relay(), { observers, interceptors });
  const app = edge(relay(inner), { observers });
  const fetch = async (input: RequestInfo | URL, init?: RequestInit) => app.request(new Request(input, init));
  await using outer = await connect("https://worker.example", { fetch, interceptors });
  spans.reset();
  await outer.client(BehaviourService).echo({});
  const found = await vi.waitFor(() => {
    const ended = spans.getFinishedSpans();
    expect(ended).toHaveLength(4);
    return ended;
  });
  const chain = found.toReversed().toSorted((a, b) => depth(a) - depth(b));
  function depth({ parentSpanContext }: (typeof found)[number]): number {
    const parent = found.find((each) => each.spanContext().spanId === parentSpanContext?.spanId);
    return parent === undefined ? 0 : 1 + depth(parent);
  }
  expect(chain.map((span) => [SpanKind[span.kind], span.attributes["plugboard.protocol"], depth(span)])).toEqual([
    ["CLIENT", "plugboard", 0],
    ["SERVER", "connect", 1],
    ["CLIENT", "plugboard", 2],
    ["SERVER", "memory", 3],
  ]);
});
