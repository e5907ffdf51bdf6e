import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import { clone } from "@bufbuild/protobuf";
import type { ContextValues, Interceptor, MethodImplSpec, Transport } from "@connectrpc/connect";
import { Code, ConnectError, createContextValues, createHandlerContext } from "@connectrpc/connect";
import {
  invokeUnaryImplementation,
  runStreamingCall,
  runUnaryCall,
  transformInvokeImplementation,
} from "@connectrpc/connect/protocol";
import type { ServiceTable } from "../plugin/service-table.ts";
import { methodPath } from "../plugin/service-table.ts";
import { untilAborted } from "../plugin/until-aborted.ts";
import { breathing } from "./breathing.ts";
import { errorForCaller } from "./error-for-caller.ts";

/** What a caller may set on a memory transport. */
export interface MemoryTransportOptions {
  /** The caller's interceptors; the plugin's own run on the other side. */
  readonly interceptors?: readonly Interceptor[];
}

/** A memory transport, and the handlers that run behind it. */
export interface MemoryTransport {
  readonly transport: Transport;
  /** Waits until no handler runs any more, but no longer than so many milliseconds. */
  drain(graceMs: number): Promise<void>;
}

/**
 * A Connect transport that calls the handlers of a service table in the same process, without serialising. Messages
 * are cloned on the way in and on the way out, so that neither side can reach into the other's objects; errors,
 * deadlines, cancellation and metadata behave as on a wire.
 */
export function createMemoryTransport(table: ServiceTable, options: MemoryTransportOptions = {}): MemoryTransport {
  const interceptors = [...(options.interceptors ?? [])];
  const handlers = new Set<Promise<unknown>>();
  const track = <T>(handler: Promise<T>): Promise<T> => {
    handlers.add(handler);
    const done = () => handlers.delete(handler);
    handler.then(done, done);
    return handler;
  };
  const transport: Transport = {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const deadline = positive(timeoutMs);
      return runUnaryCall({
        interceptors,
        ...(signal && { signal }),
        ...(deadline !== undefined && { timeoutMs: deadline }),
        req: { ...requestInit(method, header, contextValues), stream: false, message: input },
        next: async (request) => {
          const call = openCall(table, method, request, deadline);
          try {
            const input = clone(method.input, request.message);
            const output = await untilAborted(
              request.signal,
              track(invokeUnaryImplementation(call.spec as UnarySpec, call.context, input, call.interceptors)),
            );
            return { ...responseInit(method, call), stream: false, message: cloneOutput(method.output, output) };
          } catch (error) {
            throw errorForCaller(error, call.context);
          } finally {
            call.context.abort();
          }
        },
      });
    },

    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const deadline = positive(timeoutMs);
      return runStreamingCall({
        interceptors,
        ...(signal && { signal }),
        ...(deadline !== undefined && { timeoutMs: deadline }),
        req: { ...requestInit(method, header, contextValues), stream: true, message: input },
        next: async (request) => {
          const call = openCall(table, method, request, deadline);
          const invoke = transformInvokeImplementation(call.spec, call.context, call.interceptors);
          const output = invoke(cloneEach(method.input, call, request.signal, request.message))[Symbol.asyncIterator]();
          // However the call ends, the handler's finally blocks run. It may be waiting for something else, so nobody
          // waits for that.
          request.signal.addEventListener("abort", () => {
            track(Promise.resolve(output.return?.())).catch(() => undefined);
          });
          // The response headers are settled once the handler has given its first message or has ended.
          const first = settle(untilAborted(request.signal, output.next()));
          await first;
          return {
            ...responseInit(method, call),
            stream: true,
            message: breathing(readOutput(method.output, call, request.signal, output, first)),
          };
        },
      });
    },
  };
  return {
    transport,
    async drain(graceMs) {
      const { promise: expired, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, graceMs);
      await Promise.race([Promise.allSettled(handlers), expired]);
      clearTimeout(timer);
    },
  };
}

type HandlerContextController = ReturnType<typeof createHandlerContext>;

type UnarySpec = Extract<MethodImplSpec, { kind: "unary" }>;

interface Call {
  readonly spec: MethodImplSpec;
  readonly interceptors: Interceptor[];
  readonly context: HandlerContextController;
  /** What the caller's own messages failed with; the handler does not get to see it. */
  callerFailure?: { readonly error: unknown };
}

interface ClientRequest {
  readonly header: Headers;
  readonly signal: AbortSignal;
  readonly url: string;
}

function openCall(
  table: ServiceTable,
  method: DescMethod,
  request: ClientRequest,
  timeoutMs: number | undefined,
): Call {
  request.signal.throwIfAborted();
  const entry = table.find(methodPath(method));
  if (entry === undefined) {
    throw new ConnectError(`the plugin has no method ${methodPath(method).slice(1)}`, Code.Unimplemented);
  }
  const { spec } = entry;
  if (spec.kind !== method.methodKind) {
    throw new ConnectError(
      `${methodPath(method).slice(1)} is ${spec.kind} in the plugin, not ${method.methodKind}`,
      Code.Unimplemented,
    );
  }
  const context = createHandlerContext({
    service: spec.method.parent,
    method: spec.method,
    protocolName: "memory",
    requestMethod: "POST",
    url: request.url,
    requestSignal: request.signal,
    requestHeader: request.header,
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
  return { spec, interceptors: [...entry.interceptors], context };
}

async function* readOutput<O extends DescMessage>(
  schema: O,
  call: Call,
  signal: AbortSignal,
  output: AsyncIterator<unknown>,
  first: Promise<Settled<IteratorResult<unknown>>>,
): AsyncGenerator<MessageShape<O>> {
  try {
    let result = unwrap(await first);
    while (result.done !== true) {
      yield cloneOutput(schema, result.value);
      result = await untilAborted(signal, output.next());
    }
  } catch (error) {
    throw call.callerFailure === undefined ? errorForCaller(error, call.context) : call.callerFailure.error;
  } finally {
    call.context.abort();
  }
}

/** Handlers are typed by the contract; Connect's dispatch drops that type on its way. */
function cloneOutput<O extends DescMessage>(schema: O, output: unknown): MessageShape<O> {
  return clone(schema, output as MessageShape<O>);
}

/** The caller's messages as the handler gets them. A call that is aborted ends them with an error, as a wire does. */
async function* cloneEach<I extends DescMessage>(
  schema: I,
  call: Call,
  signal: AbortSignal,
  messages: AsyncIterable<MessageShape<I>>,
): AsyncGenerator<MessageShape<I>> {
  const iterator = messages[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await untilAborted(signal, iterator.next()).catch((error: unknown) => {
      call.callerFailure = { error };
      throw new ConnectError("the caller has ended the call", Code.Canceled);
    });
    if (done === true) {
      return;
    }
    yield clone(schema, value);
  }
}

type Settled<T> = { readonly value: T } | { readonly error: unknown };

function settle<T>(promise: Promise<T>): Promise<Settled<T>> {
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

function unwrap<T>(settled: Settled<T>): T {
  if ("error" in settled) {
    throw settled.error;
  }
  return settled.value;
}

function requestInit<M extends DescMethod>(
  method: M,
  header: HeadersInit | undefined,
  contextValues: ContextValues | undefined,
) {
  return {
    service: method.parent,
    method,
    requestMethod: "POST",
    url: `memory:${methodPath(method)}`,
    header: new Headers(header),
    contextValues: contextValues ?? createContextValues(),
  };
}

function responseInit<M extends DescMethod>(method: M, call: Call) {
  return {
    service: method.parent,
    method,
    header: call.context.responseHeader,
    trailer: call.context.responseTrailer,
  };
}

/** As in Connect's transports, zero and less mean no deadline. */
function positive(timeoutMs: number | undefined): number | undefined {
  return timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : undefined;
}
