import type { MethodImplSpec } from "@connectrpc/connect";
import { invokeUnaryImplementation, transformInvokeImplementation } from "@connectrpc/connect/protocol";
import { onlyOne } from "../../base/only-one.ts";
import type { ServiceTableEntry } from "../../plugin/service-table.ts";
import type { CallContext } from "../call-context.ts";
import type { AnyMessage } from "./handler-output.ts";
import { checkOutput, outputOf } from "./handler-output.ts";
import { Responses } from "./responses.ts";

type UnarySpec = Extract<MethodImplSpec, { kind: "unary" }>;

/** Runs the implementation of a unary method, past its gate. */
export async function invokeUnary(
  entry: ServiceTableEntry,
  context: CallContext,
  input: AnyMessage,
): Promise<AnyMessage> {
  const { requestGate } = entry;
  if (requestGate !== undefined) {
    await requestGate(context);
    context.signal.throwIfAborted();
  }
  return callUnary(entry, context, input);
}

/**
 * Runs the implementation of a unary method whose gate the call has passed. Without interceptors it is called straight away, and
 * there is a promise only if the implementation makes one.
 */
export function callUnary(
  { spec, interceptors }: ServiceTableEntry,
  context: CallContext,
  input: AnyMessage,
): AnyMessage | Promise<AnyMessage> {
  // The caller of this function has checked that the method is unary.
  const unary = spec as UnarySpec;
  if (interceptors.length > 0) {
    return invokeUnaryImplementation(checkOutput(unary) as UnarySpec, context, input, [...interceptors]);
  }
  const given: unknown = unary.impl(input, context);
  return isPromise(given) ? given.then((output) => outputOf(unary.method, output)) : outputOf(unary.method, given);
}

/** True for a promise, of whatever library. */
export function isPromise<T>(value: T | PromiseLike<T>): value is Promise<T> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** Runs the implementation of a streaming method, or of a unary one whose caller streams, past its gate. */
export function invokeStreaming(
  entry: ServiceTableEntry,
  context: CallContext,
  input: AsyncIterable<AnyMessage>,
): AsyncIterable<AnyMessage> {
  return entry.requestGate === undefined ? callStreaming(entry, context, input) : runGated(entry, context, input);
}

async function* runGated(
  entry: ServiceTableEntry,
  context: CallContext,
  input: AsyncIterable<AnyMessage>,
): AsyncGenerator<AnyMessage> {
  await entry.requestGate?.(context);
  context.signal.throwIfAborted();
  yield* callStreaming(entry, context, input);
}

/** Runs the implementation of a streaming method, or of a unary one whose caller streams. The call has passed its gate. */
export function callStreaming(
  { spec, interceptors }: ServiceTableEntry,
  context: CallContext,
  input: AsyncIterable<AnyMessage>,
): AsyncIterable<AnyMessage> {
  if (interceptors.length > 0 || spec.kind === "unary") {
    const invoke = transformInvokeImplementation(checkOutput(spec), context, [...interceptors]);
    return invoke(input) as AsyncIterable<AnyMessage>;
  }
  return invokeDirectly(spec, context, input);
}

function invokeDirectly(
  spec: Exclude<MethodImplSpec, UnarySpec>,
  context: CallContext,
  input: AsyncIterable<AnyMessage>,
): AsyncIterable<AnyMessage> {
  if (spec.kind === "client_streaming") {
    return invokeForOne(spec, context, input);
  }
  if (spec.kind === "bidi_streaming") {
    return new Responses(spec.method, () => () => spec.impl(input, context));
  }
  return new Responses(spec.method, async () => {
    const message = await onlyOne(input[Symbol.asyncIterator]());
    return () => spec.impl(message, context);
  });
}

async function* invokeForOne(
  { method, impl }: Extract<MethodImplSpec, { kind: "client_streaming" }>,
  context: CallContext,
  input: AsyncIterable<AnyMessage>,
): AsyncGenerator<AnyMessage> {
  yield outputOf(method, await impl(input, context));
}
