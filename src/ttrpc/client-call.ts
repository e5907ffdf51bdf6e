import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, fromBinary } from "@bufbuild/protobuf";
import type { StreamResponse, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { setDeadlineTimer, startDeadline } from "../rpc/deadline.ts";
import { encodeMessage } from "../rpc/encode-message.ts";
import { untilCallEnds } from "../rpc/until-call-ends.ts";
import type { ClientCall, ClientConnection, OpenFlags } from "./client-connection.ts";
import type { RequestParts } from "./envelope.ts";
import { appendHeaders, encodeMetadata, encodeMethod, readHeader, readResponse } from "./envelope.ts";
import { frameFlag, frameType } from "./frame.ts";
import type { MessageStream } from "./message-stream.ts";
import { createMessageStream } from "./message-stream.ts";
import { fromStatus } from "./status.ts";

/** What a caller asks for. */
export interface CallOptions {
  readonly signal: AbortSignal | undefined;
  /** Time left until the deadline, in milliseconds; `undefined` without one. */
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
  /** Whether to ask for plugboard.stream.v1. */
  readonly extended: boolean;
  /** Largest response message, in bytes. */
  readonly maxMessageBytes: number;
}

/** Makes a unary call. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  connection: ClientConnection,
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
  options: CallOptions,
): Promise<UnaryResponse<I, O>> {
  const parts = requestParts(method, encodeRequest(method.input, input), options);
  return new Promise((resolve, reject) => {
    const call: ClientCall = {
      frame({ type, data }) {
        if (type === frameType.response) {
          try {
            const { payload, header, trailer } = settle(data);
            watch.end();
            resolve({
              service: method.parent,
              method,
              stream: false,
              header,
              trailer,
              message: decodeMessage(method, payload, options),
            });
          } catch (error) {
            call.fail(error as ConnectError);
          }
        } else if (type === frameType.data) {
          call.fail(protocolError("the server streams what is a unary method here"));
        }
      },
      refuse: (error) => watch.cancel(error),
      fail(error) {
        watch.end();
        reject(error);
      },
    };
    const watch = watchCall(connection, call, parts, frameFlag.none, options);
  });
}

/** Makes a streaming call. Its headers are there when its first message is, or its end. */
export async function callStreaming<I extends DescMessage, O extends DescMessage>(
  connection: ClientConnection,
  method: DescMethodStreaming<I, O>,
  input: AsyncIterable<MessageInitShape<I>>,
  given: CallOptions,
): Promise<StreamResponse<I, O>> {
  const single = method.methodKind === "server_streaming";
  const requests = input[Symbol.asyncIterator]();
  const deadline = startDeadline(given.timeoutMs);
  const first = single ? encodeRequest(method.input, await onlyOne(requests, given)) : new Uint8Array(0);
  const options = { ...given, timeoutMs: deadline?.left() };
  const parts = requestParts(method, first, options);
  const header = new Headers();
  const trailer = new Headers();
  const started = Promise.withResolvers<void>();
  let requestsEnded = single;
  let begun = false;

  /** However the call has ended, the caller's iterator must not be left open. */
  const endRequests = (reason: unknown) => {
    if (!requestsEnded) {
      requestsEnded = true;
      const end = async () => {
        await (reason !== undefined && requests.throw ? requests.throw(reason) : requests.return?.());
      };
      // It may be in the middle of something, so nobody waits for it; and what it throws must not reach other calls.
      end().catch(() => undefined);
    }
  };
  const finish = (error?: ConnectError) => {
    watch.end();
    messages.stopSending();
    messages.receivedEnd(error);
    endRequests(error);
    started.resolve();
  };
  const call: ClientCall = {
    frame({ type, flags, data }) {
      try {
        switch (type) {
          case frameType.header:
            // Only before the first message: there is no window for headers.
            if (begun) {
              throw protocolError("headers have come a second time, or after a message");
            }
            begun = true;
            appendHeaders(header, readHeaders(data));
            started.resolve();
            break;
          case frameType.data:
            if ((flags & frameFlag.noData) === 0) {
              begun = true;
              messages.received(data);
              started.resolve();
            }
            if ((flags & frameFlag.remoteClosed) !== 0) {
              finish();
            }
            break;
          case frameType.window:
            messages.receivedWindow(data);
            break;
          case frameType.response: {
            const settled = settle(data);
            appendAll(header, settled.header);
            appendAll(trailer, settled.trailer);
            // It carries the one response message of a client-streaming method; otherwise, it is only an end.
            if (method.methodKind === "client_streaming") {
              messages.received(settled.payload);
            }
            finish();
            break;
          }
        }
      } catch (error) {
        if (type === frameType.response) {
          // An error that the server tells comes after the messages before it.
          finish(error as ConnectError);
        } else {
          watch.cancel(error as ConnectError);
        }
      }
    },
    refuse: (error) => watch.cancel(error),
    fail(error) {
      messages.fail(error);
      finish(error);
    },
  };
  const watch = watchCall(connection, call, parts, single ? frameFlag.remoteClosed : frameFlag.remoteOpen, options);
  const messages = createMessageStream(connection.link, watch.id, options.extended, watch.cancel);
  if (!single) {
    void sendRequests(method, requests, messages, () => requestsEnded).then(
      () => {
        requestsEnded = true;
      },
      (error: unknown) => {
        requestsEnded = true;
        watch.cancel(ConnectError.from(error, Code.Internal));
      },
    );
  }
  await started.promise;
  const message = readMessages(method, messages, options, watch);
  return { service: method.parent, method, stream: true, header, trailer, message };
}

interface CallWatch {
  readonly id: number;
  /** Ends the call before its answer has come, and tells the server. */
  cancel(error: ConnectError): void;
  /** The call has ended. */
  end(): void;
}

/** Opens the call, and ends it at its deadline or when its caller gives it up. */
function watchCall(
  connection: ClientConnection,
  call: ClientCall,
  parts: RequestParts,
  flags: OpenFlags,
  { signal, timeoutMs, extended }: CallOptions,
): CallWatch {
  if (signal?.aborted) {
    throw ConnectError.from(signal.reason, Code.Canceled);
  }
  const id = connection.open(call, parts, flags);
  let ended = false;
  const watch: CallWatch = {
    id,
    cancel(error) {
      if (!ended) {
        if (extended) {
          connection.cancel(id);
        }
        call.fail(error);
      }
    },
    end() {
      if (!ended) {
        ended = true;
        connection.forget(id);
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      }
    },
  };
  const onAbort = () => watch.cancel(ConnectError.from(signal?.reason, Code.Canceled));
  signal?.addEventListener("abort", onAbort);
  const expire = () => watch.cancel(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  const timer = timeoutMs === undefined ? undefined : setDeadlineTimer(expire, timeoutMs);
  return watch;
}

async function sendRequests<I extends DescMessage>(
  { input }: DescMethodStreaming<I>,
  requests: AsyncIterator<MessageInitShape<I>>,
  messages: MessageStream,
  ended: () => boolean,
): Promise<void> {
  for (;;) {
    const result = await requests.next();
    if (ended()) {
      return;
    }
    if (result.done === true) {
      messages.sendEnd();
      return;
    }
    await messages.send(encodeRequest(input, result.value));
  }
}

function readMessages<O extends DescMessage>(
  method: DescMethodStreaming<DescMessage, O>,
  messages: MessageStream,
  options: CallOptions,
  watch: CallWatch,
): AsyncIterableIterator<MessageShape<O>> {
  const iterator: AsyncIterableIterator<MessageShape<O>> = {
    async next() {
      const bytes = await messages.next();
      if (bytes === undefined) {
        return { done: true, value: undefined };
      }
      try {
        return { done: false, value: decodeMessage(method, bytes, options) };
      } catch (error) {
        watch.cancel(error as ConnectError);
        throw error;
      }
    },
    async return() {
      watch.cancel(new ConnectError("the caller stopped reading", Code.Canceled));
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

function readHeaders(data: Uint8Array) {
  try {
    return readHeader(data);
  } catch {
    throw protocolError("the headers can't be read");
  }
}

/** What a response frame says. */
function settle(data: Uint8Array): { payload: Uint8Array; header: Headers; trailer: Headers } {
  let response: ReturnType<typeof readResponse>;
  try {
    response = readResponse(data);
  } catch {
    throw protocolError("the response can't be read");
  }
  const header = new Headers();
  const trailer = new Headers();
  appendHeaders(header, response.header);
  appendHeaders(trailer, response.trailer);
  if (response.status !== undefined && response.status.code !== 0) {
    const metadata = new Headers(header);
    appendAll(metadata, trailer);
    throw fromStatus(response.status, metadata);
  }
  return { payload: response.payload, header, trailer };
}

function appendAll(to: Headers, from: Headers) {
  from.forEach((value, key) => {
    to.append(key, value);
  });
}

const encodedMethods = new WeakMap<DescMethod, Uint8Array>();

function requestParts(method: DescMethod, payload: Uint8Array, options: CallOptions): RequestParts {
  let encoded = encodedMethods.get(method);
  if (encoded === undefined) {
    encoded = encodeMethod(method.parent.typeName, method.name);
    encodedMethods.set(method, encoded);
  }
  const { header, timeoutMs, extended } = options;
  return { method: encoded, payload, timeoutMs, metadata: metadataOf(header, extended) };
}

const noMetadata = encodeMetadata(undefined, false);
const extensionOnly = encodeMetadata(undefined, true);

function metadataOf(header: HeadersInit | undefined, extended: boolean): Uint8Array {
  if (header === undefined) {
    return extended ? extensionOnly : noMetadata;
  }
  return encodeMetadata(new Headers(header), extended);
}

function encodeRequest<I extends DescMessage>(schema: I, message: MessageInitShape<I>): Uint8Array {
  try {
    return encodeMessage(schema, create(schema, message));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConnectError(`cannot encode ${schema.typeName}: ${why}`, Code.Internal, undefined, undefined, error);
  }
}

function decodeMessage<O extends DescMessage>(
  { output }: { readonly output: O },
  bytes: Uint8Array,
  { maxMessageBytes }: CallOptions,
): MessageShape<O> {
  if (bytes.byteLength > maxMessageBytes) {
    throw new ConnectError(
      `the message has ${bytes.byteLength} bytes, and only ${maxMessageBytes} are accepted`,
      Code.ResourceExhausted,
    );
  }
  try {
    return fromBinary(output, bytes);
  } catch {
    throw protocolError(`the message is no ${output.typeName}`);
  }
}

/** Takes the one message out of the caller's iterator, for which the call does not wait longer than it lasts. */
async function onlyOne<T>(messages: AsyncIterator<T>, options: CallOptions): Promise<T> {
  const take = async () => {
    const first = await messages.next();
    if (first.done === true) {
      throw protocolError("the request message is missing");
    }
    if ((await messages.next()).done !== true) {
      throw protocolError("there is more than one request message");
    }
    return first.value;
  };
  try {
    return await untilCallEnds(take(), options);
  } catch (error) {
    // It may be in the middle of something, so nobody waits for it.
    const end = async () => {
      await messages.return?.();
    };
    end().catch(() => undefined);
    throw error;
  }
}

function protocolError(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what}`, Code.Internal);
}
