import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescService,
  MessageInitShape,
} from "@bufbuild/protobuf";
import type { CallOptions, Client, StreamResponse, Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { cancelOnReturn } from "./call-scope.ts";

type Stream = StreamResponse<DescMessage, DescMessage>;
type StreamingFunction = (input: unknown, options?: CallOptions) => AsyncIterable<unknown>;

/**
 * Connect's client, with one thing added: leaving a `for await` loop over a response early cancels the call, whatever the
 * transport makes of that. By a signal, as Connect's own iterables and interceptors forward no such end.
 * @param transport One of `readLate`.
 */
export function createScopedClient<Service extends DescService>(
  service: Service,
  transport: Transport,
): Client<Service> {
  const streaming = service.methods
    .filter(respondsWithStream)
    .map((method) => [method.localName, callOf(method, transport)] as const);
  return Object.assign(createClient(service, transport), Object.fromEntries(streaming));
}

type StreamedMethod = DescMethodServerStreaming | DescMethodBiDiStreaming;

function respondsWithStream(method: DescMethod): method is StreamedMethod {
  return method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
}

function callOf(method: StreamedMethod, transport: Transport): StreamingFunction {
  return (input, options = {}) => {
    const { timeoutMs, headers, contextValues } = options;
    const controller = new AbortController();
    // Not a listener, as in a scope: a call that is never read would leave it on the caller's signal.
    const signal = options.signal ? AbortSignal.any([options.signal, controller.signal]) : controller.signal;
    // The method's kind says which of the two it is.
    const requests =
      method.methodKind === "bidi_streaming"
        ? (input as AsyncIterable<MessageInitShape<DescMessage>>)
        : only(input as MessageInitShape<DescMessage>);
    const response = transport.stream(method, signal, timeoutMs, headers, requests, contextValues);
    return cancelOnReturn(readResponse(response, options), controller);
  };
}

async function* only<T>(message: T): AsyncGenerator<T> {
  yield message;
}

const done = { done: true, value: undefined } as const;

/**
 * The messages of a response as Connect's client has them: read once, in the order in which they are asked for; `onHeader` is
 * called before the first, `onTrailer` after the last, and what either throws ends the reading. Not by generators, which
 * Connect's are built for engines without them, and take a tenth of a stream's time.
 */
function readResponse(opening: Promise<Stream>, { onHeader, onTrailer }: CallOptions): AsyncIterable<unknown> {
  let response: Stream | undefined;
  let messages: AsyncIterator<unknown> | undefined;
  let ended = false;
  /** How many `next` have not settled, and the last of them: each begins when the one before it has settled. */
  let waiting = 0;
  let last: Promise<unknown> | undefined;

  async function begin() {
    response = await opening;
    onHeader?.(response.header);
    messages = response.message[Symbol.asyncIterator]();
    return messages.next();
  }
  const received = (result: IteratorResult<unknown>): IteratorResult<unknown> => {
    waiting -= 1;
    if (result.done !== true) {
      return result;
    }
    if (!ended) {
      ended = true;
      if (response !== undefined) {
        onTrailer?.(response.trailer);
      }
    }
    return done;
  };
  const failed = (error: unknown): never => {
    waiting -= 1;
    ended = true;
    throw error;
  };
  function ask(): Promise<IteratorResult<unknown>> {
    if (ended) {
      return Promise.resolve(done);
    }
    try {
      return messages === undefined ? begin() : messages.next();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  const next = () => {
    waiting += 1;
    const asked = waiting === 1 ? ask() : last?.then(ask, ask);
    const result = Promise.resolve(asked ?? ask()).then(received, failed);
    last = result;
    return result;
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}
