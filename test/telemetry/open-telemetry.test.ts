import { Code } from "@connectrpc/connect";
import { context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
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
import type { Connection } from "plugboard";
import { connect, definePlugin, forward } from "plugboard";
import { connect as connectFromNode } from "plugboard/node";
import { openTelemetry, traceCalls } from "plugboard/telemetry";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import behaviour from "../behaviour/plugin.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { listenLocally } from "../support/local-listener.ts";

const spans = new InMemorySpanExporter();
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
const tracer = provider.getTracer("test");

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
});
afterAll(async () => {
  context.disable();
  propagation.disable();
  await provider.shutdown();
});
beforeEach(() => spans.reset());

const finished = (count: number) =>
  vi.waitFor(() => {
    const found = spans.getFinishedSpans();
    expect(found).toHaveLength(count);
    return found;
  });

const only = (found: readonly ReadableSpan[], kind: SpanKind) => {
  const [span] = found.filter((each) => each.kind === kind);
  if (span === undefined) {
    throw new Error("there is no such span");
  }
  return span;
};

/** Echo says by which trace and span it was called, and calls itself once more if it is told where. */
const relay = (next?: () => Connection) =>
  definePlugin({
    name: "relay",
    version: "1.0.0",
    routes(router) {
      router.rpc(BehaviourService.method.echo, async (_, call) => {
        await Promise.resolve();
        const { spanId = "" } = trace.getActiveSpan()?.spanContext() ?? {};
        await next?.().client(BehaviourService).echo({}, forward(call));
        return { text: spanId };
      });
    },
  });

describe.each([
  ["memory", { protocol: undefined, system: "memory", ok: "OK" }],
  ["ttrpc", { protocol: "ttrpc", system: "ttrpc", ok: "OK" }],
  ["gRPC", { protocol: "grpc", system: "grpc", ok: "OK" }],
  ["Connect", { protocol: "connect", system: "connectrpc", ok: undefined }],
] as const)("over %s", (_, { protocol, system, ok }) => {
  async function open(plugin = behaviour) {
    const stack = new AsyncDisposableStack();
    const observers = [openTelemetry({ tracer })];
    const options = { interceptors: [traceCalls({ tracer, serverAddress: "here" })] };
    if (protocol === undefined) {
      const connection = stack.use(await connect(plugin, { ...options, observers }));
      return { stack, connection };
    }
    const listener = stack.use(await listenLocally(plugin, "unix", { observers }));
    const require = { protocols: [protocol] };
    const connection = stack.use(await connectFromNode(listener.address, { ...options, require }));
    await finished(2);
    spans.reset();
    return { stack, connection };
  }

  test("a call is a client's span and, within it, a server's, in which its handler runs", async () => {
    const { stack, connection } = await open(relay());
    await using _ = stack;
    const { text } = await connection.client(BehaviourService).echo({});
    const found = await finished(2);
    const client = only(found, SpanKind.CLIENT);
    const server = only(found, SpanKind.SERVER);
    expect(server.parentSpanContext).toMatchObject({ spanId: client.spanContext().spanId });
    expect(server.spanContext().traceId).toBe(client.spanContext().traceId);
    expect(text).toBe(server.spanContext().spanId);
    expect(server).toMatchObject({
      name: "plugboard.test.v1.BehaviourService/Echo",
      status: { code: SpanStatusCode.UNSET },
      attributes: {
        "rpc.system.name": system,
        "rpc.method": "plugboard.test.v1.BehaviourService/Echo",
        "plugboard.protocol": protocol ?? "memory",
      },
    });
    expect(server.attributes["rpc.status_code"]).toBe(ok);
    expect(client).toMatchObject({
      name: "plugboard.test.v1.BehaviourService/Echo",
      attributes: { "rpc.system.name": "plugboard", "rpc.status_code": "OK", "server.address": "here" },
    });
  });

  test("only what the plugin has failed at is an error of its span; all that fails is one of the client's", async () => {
    const { stack, connection } = await open();
    await using _ = stack;
    const client = connection.client(BehaviourService);
    await client.fail({ code: Code.NotFound, message: "the password is swordfish" }).catch(() => undefined);
    let found = await finished(2);
    expect(only(found, SpanKind.SERVER)).toMatchObject({ status: { code: SpanStatusCode.UNSET } });
    expect(only(found, SpanKind.SERVER).attributes["error.type"]).toBeUndefined();
    expect(only(found, SpanKind.CLIENT)).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { "rpc.status_code": "NOT_FOUND", "error.type": "NOT_FOUND" },
    });
    spans.reset();
    await client.fail({ code: 0 }).catch(() => undefined);
    found = await finished(2);
    const internal = protocol === "connect" ? "internal" : "INTERNAL";
    expect(only(found, SpanKind.SERVER)).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { "rpc.status_code": internal, "error.type": internal },
    });
    expect(
      JSON.stringify(spans.getFinishedSpans().map(({ attributes, events, status }) => [attributes, events, status])),
    ).not.toContain("swordfish");
  });

  test("a stream's spans end with it, also if its caller leaves", async () => {
    const { stack, connection } = await open();
    await using _ = stack;
    const client = connection.client(BehaviourService);
    for await (const _ of client.produce({ id: "s", count: 0, size: 1000 })) {
      expect(spans.getFinishedSpans()).toHaveLength(0);
      break;
    }
    const found = await finished(2);
    expect(only(found, SpanKind.SERVER).attributes["rpc.status_code"]).toMatch(/^cancell?ed$/i);
    expect(only(found, SpanKind.CLIENT).attributes["rpc.status_code"]).toBe("CANCELLED");
  });

  test("a call under a span that runs here is part of it", async () => {
    const { stack, connection } = await open();
    await using _ = stack;
    await tracer.startActiveSpan("outer", async (outer) => {
      await connection.client(BehaviourService).echo({});
      outer.end();
    });
    const found = await finished(3);
    const outer = only(found, SpanKind.INTERNAL);
    expect(only(found, SpanKind.CLIENT).parentSpanContext?.spanId).toBe(outer.spanContext().spanId);
  });
});

test("a call that comes with a trace, and one that comes with nonsense, and one with neither", async () => {
  await using listener = await listenLocally(behaviour, "unix", { observers: [openTelemetry({ tracer })] });
  await using connection = await connectFromNode(listener.address, { require: { protocols: ["ttrpc"] } });
  spans.reset();
  const client = connection.client(BehaviourService);
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
  await client.echo({}, { headers: { traceparent, tracestate: "vendor=1" } });
  await client.echo({}, { headers: { traceparent: `00-${traceId}-0000000000000000-01` } });
  await client.echo({}, { headers: { traceparent: `${traceparent}-more` } });
  await client.echo({});
  const [whole, zero, long, none] = await finished(4);
  expect(whole?.parentSpanContext).toMatchObject({ traceId, spanId: "b7ad6b7169203331", isRemote: true });
  expect(whole?.spanContext().traceState?.serialize()).toBe("vendor=1");
  for (const span of [zero, long, none]) {
    expect(span?.parentSpanContext).toBeUndefined();
    expect(span?.spanContext().traceId).not.toBe(traceId);
  }
});

test("what a handler calls with forward() is part of its span, through three hops over three routes", async () => {
  const observers = [openTelemetry({ tracer })];
  await using last = await connect(relay(), { observers });
  await using middle = await listenLocally(
    relay(() => last),
    "unix",
    { observers },
  );
  await using toMiddle = await connectFromNode(middle.address, { require: { protocols: ["ttrpc"] } });
  await using first = await listenLocally(
    relay(() => toMiddle),
    "tcp",
    { observers },
  );
  await using toFirst = await connectFromNode(first.address, { require: { protocols: ["grpc"] } });
  spans.reset();
  await toFirst.client(BehaviourService).echo({});
  const found = await finished(3);
  const chain = found.toSorted(
    (a, b) => Number(a.parentSpanContext !== undefined) - Number(b.parentSpanContext !== undefined),
  );
  expect(new Set(chain.map((span) => span.spanContext().traceId)).size).toBe(1);
  const byProtocol = (protocol: string) => found.find((span) => span.attributes["plugboard.protocol"] === protocol);
  expect(byProtocol("ttrpc")?.parentSpanContext?.spanId).toBe(byProtocol("grpc")?.spanContext().spanId);
  expect(byProtocol("memory")?.parentSpanContext?.spanId).toBe(byProtocol("ttrpc")?.spanContext().spanId);
});

test("calls, errors, durations, calls in flight and bytes are measured by method and protocol", async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meters = new MeterProvider({ readers: [reader] });
  try {
    const observers = [openTelemetry({ tracer, meter: meters.getMeter("test") })];
    await using listener = await listenLocally(behaviour, "unix", { observers });
    await using connection = await connectFromNode(listener.address, { require: { protocols: ["grpc"] } });
    const client = connection.client(BehaviourService);
    await client.echo({ data: new Uint8Array(1000) });
    await client.echo({});
    await client.fail({ code: 0 }).catch(() => undefined);
    const controller = new AbortController();
    const hanging = client.hang({ id: "measured" }, { signal: controller.signal });
    hanging.catch(() => undefined);
    await vi.waitFor(async () => expect((await client.watch({ id: "measured" })).started).toBe(true));
    await reader.forceFlush();
    controller.abort();
    const [{ scopeMetrics: [scope] = [] } = {}] = exporter.getMetrics();
    const points = (name: string) =>
      (scope?.metrics.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []) as readonly {
        attributes: Record<string, unknown>;
        value: unknown;
      }[];
    const of = (name: string, method: string) =>
      points(name).filter(
        ({ attributes }) => attributes["rpc.method"] === `plugboard.test.v1.BehaviourService/${method}`,
      );
    expect(of("rpc.server.call.duration", "Echo")).toMatchObject([
      {
        attributes: { "rpc.system.name": "grpc", "rpc.status_code": "OK", "plugboard.protocol": "grpc" },
        value: { count: 2, buckets: { boundaries: expect.arrayContaining([0.005, 10]) } },
      },
    ]);
    expect(of("rpc.server.call.duration", "Fail")).toMatchObject([
      { attributes: { "error.type": "INTERNAL" }, value: { count: 1 } },
    ]);
    expect(of("plugboard.server.active_calls", "Hang")).toMatchObject([{ value: 1 }]);
    expect(of("plugboard.server.active_calls", "Echo")).toMatchObject([{ value: 0 }]);
    expect(of("plugboard.server.request.size", "Echo")).toMatchObject([
      { value: { count: 2, sum: expect.any(Number) } },
    ]);
    const [responses] = of("plugboard.server.response.size", "Echo") as { value: { sum: number } }[];
    expect(responses?.value.sum).toBeGreaterThan(1000);
  } finally {
    await meters.shutdown();
  }
});

test("without an SDK a call is as it is without an observer", async () => {
  await using connection = await connect(behaviour, { observers: [openTelemetry()], interceptors: [traceCalls()] });
  expect(await connection.client(BehaviourService).echo({ text: "a" })).toMatchObject({ text: "a" });
});
