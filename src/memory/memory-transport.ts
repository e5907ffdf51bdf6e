import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { endIterator } from "../base/async/iterables.ts";
import { within } from "../base/async/within.ts";
import { defaultLog } from "../base/log.ts";
import type { CallContext } from "../call/call-context.ts";
import type { CallObserver } from "../call/call-observer.ts";
import { errorForCaller } from "../call/errors/error-for-caller.ts";
import { fairStream } from "../call/fair-stream.ts";
import type { AnyMessage } from "../call/invoke/handler-output.ts";
import { invokeStreaming, invokeUnary } from "../call/invoke/invoke.ts";
import { cannotEncode } from "../call/messages/check-message.ts";
import { dropUnsendable } from "../call/messages/metadata.ts";
import { noSuchMethodMessage } from "../call/not-found.ts";
import { methodPath } from "../plugin/method-path.ts";
import type { ServiceTable, ServiceTableEntry } from "../plugin/service-table.ts";
import { cloneMessage } from "./clone-message.ts";
import type { MemoryCalls } from "./memory-call.ts";
import { MemoryCall } from "./memory-call.ts";

/** A memory transport, and the handlers that run behind it. */
export interface MemoryTransport {
  readonly transport: Transport;
  /** Ends the calls in flight, which fail with the reason, and waits until no handler runs any more. */
  close(reason: Error): Promise<void>;
}

/**
 * A Connect transport that calls the handlers of a service table in the same process, without serialising. Messages
 * are cloned on the way in and on the way out, so that neither side can reach into the other's objects; errors,
 * deadlines, cancellation and metadata behave as on a wire.
 *
 * @param graceMs Milliseconds that handlers may take to end once the transport is closed.
 * @param observer Observes every call.
 */
export function createMemoryTransport(table: ServiceTable, graceMs: number, observer?: CallObserver): MemoryTransport {
  const handlers = new Set<Promise<unknown>>();
  /** Handlers may go on when their calls have ended. */
  const track = <T>(handler: Promise<T>): Promise<T> => {
    handlers.add(handler);
    const done = () => handlers.delete(handler);
    handler.then(done, done);
    return handler;
  };
  const calls: MemoryCalls = { inFlight: new Set(), track, observer };

  const transport: Transport = {
    unary(method, signal, timeoutMs, header, input) {
      // One promise for all of it: this is a hot path.
      return new Promise((resolve, reject) => {
        const entry = findMethod(table, method, signal);
        const message = cloneInput(method.input, input);
        const call = new MemoryCall(calls, method, signal, timeoutMs, header);
        const { context } = call;
        // Too late, and so without effect, unless the call is ended before its handler.
        call.onEnd(() => reject(call.failure));
        const fail = (error: unknown) => {
          if (!call.ended) {
            const forCaller = errorForCaller(error, context);
            reject(forCaller);
            call.end(forCaller);
          }
        };
        const succeed = (output: AnyMessage) => {
          try {
            // Handlers are typed by the contract; Connect's dispatch drops that type on its way.
            const message = cloneMessage(method.output, output as never);
            dropUnsendable(context.responseTrailerIfAny, "response's trailer", defaultLog);
            resolve({
              ...responseInit(method, context),
              stream: false,
              trailer: new Headers(context.responseTrailerIfAny),
              message,
            });
            call.end();
          } catch (error) {
            fail(error);
          }
        };
        const handler = call.run(() => invokeUnary(entry, context, message));
        call.handler = handler;
        handler.then(succeed, fail);
      });
    },

    async stream(method, signal, timeoutMs, header, input) {
      const entry = findMethod(table, method, signal);
      const call = new MemoryCall(calls, method, signal, timeoutMs, header);
      const requests = cloneRequests(method, call, input);
      const responses = invokeStreaming(entry, call.context, requests)[Symbol.asyncIterator]();
      // However the call ends, the handler's finally blocks run. It may be waiting for something else, so the caller
      // does not wait for them.
      call.onEnd(() => {
        track(Promise.resolve(responses.return?.())).catch(() => undefined);
        requests.end();
      });
      // The response headers are settled once the handler has given its first message or has ended.
      const first = call.race(call.next(responses));
      await first.catch(() => undefined);
      const trailer = new Headers();
      const message = fairStream(readResponses(method, call, responses, first, trailer));
      return { ...responseInit(method, call.context), stream: true, trailer, message };
    },
  };

  return {
    transport,
    async close(reason) {
      for (const call of calls.inFlight) {
        call.fail(reason);
      }
      await within(graceMs, Promise.allSettled(handlers));
    },
  };
}

function findMethod(table: ServiceTable, method: DescMethod, signal: AbortSignal | undefined): ServiceTableEntry {
  if (signal?.aborted) {
    throw ConnectError.from(signal.reason, Code.Canceled);
  }
  const path = methodPath(method);
  const entry = table.find(path);
  if (entry === undefined) {
    throw new ConnectError(noSuchMethodMessage(path), Code.Unimplemented);
  }
  const { kind } = entry.spec;
  if (kind !== method.methodKind) {
    throw new ConnectError(`${path.slice(1)} is ${kind} in the plugin, not ${method.methodKind}`, Code.Unimplemented);
  }
  return entry;
}

/** The caller's messages as the handler gets them. */
interface Requests extends AsyncIterableIterator<AnyMessage> {
  /** Ends the caller's iterator, unless it has ended. */
  end(): void;
}

/**
 * A call that has ended ends the handler's requests with an error, as a wire does. An iterator of its own: one around another takes
 * half as long again for each message (290 ns for 195 ns).
 */
function cloneRequests<M extends DescMethod>(
  { input }: M,
  call: MemoryCall,
  messages: AsyncIterable<MessageInitShape<M["input"]>>,
): Requests {
  const iterator = messages[Symbol.asyncIterator]();
  let ended = false;
  const requests: Requests = {
    async next() {
      if (ended) {
        return { done: true, value: undefined };
      }
      try {
        const result = await call.race(iterator.next());
        if (result.done === true) {
          ended = true;
          return { done: true, value: undefined };
        }
        return { done: false, value: cloneInput(input, result.value) };
      } catch (error) {
        // The caller's own trouble; the handler does not get to see it.
        call.fail(ConnectError.from(error, Code.Internal));
        throw new ConnectError("the caller has ended the call", Code.Canceled);
      }
    },
    async return() {
      requests.end();
      return { done: true, value: undefined };
    },
    end() {
      if (!ended) {
        ended = true;
        endIterator(iterator, call.failure);
      }
    },
    [Symbol.asyncIterator]: () => requests,
  };
  return requests;
}

function cloneInput<I extends DescMessage>(schema: I, message: MessageInitShape<I>): AnyMessage {
  try {
    return cloneMessage(schema, create(schema, message));
  } catch (error) {
    throw cannotEncode(schema, error);
  }
}

async function* readResponses<M extends DescMethod>(
  { output }: M,
  call: MemoryCall,
  responses: AsyncIterator<AnyMessage>,
  first: Promise<IteratorResult<AnyMessage>>,
  trailer: Headers,
): AsyncGenerator<MessageShape<M["output"]>> {
  try {
    let result = await first;
    while (result.done !== true) {
      yield cloneMessage(output as DescMessage, result.value) as MessageShape<M["output"]>;
      result = await call.race(call.next(responses));
    }
    dropUnsendable(call.context.responseTrailerIfAny, "response's trailer", defaultLog);
    call.context.responseTrailerIfAny?.forEach((value, name) => {
      trailer.append(name, value);
    });
    call.end();
  } catch (error) {
    const forCaller = call.failure === undefined ? errorForCaller(error, call.context) : undefined;
    call.end(forCaller);
    throw forCaller ?? call.failure;
  } finally {
    if (!call.ended) {
      call.end(new ConnectError("the caller has ended the call", Code.Canceled));
    }
  }
}

/** The headers are the caller's own: a handler may keep its context. */
function responseInit<M extends DescMethod>(method: M, { responseHeaderIfAny }: CallContext) {
  dropUnsendable(responseHeaderIfAny, "response's header", defaultLog);
  return { service: method.parent, method, header: new Headers(responseHeaderIfAny) };
}
