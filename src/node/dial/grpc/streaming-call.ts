import type { DescMessage, DescMethodStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { StreamResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { endIterator } from "../../../base/async/iterables.ts";
import { encodeRequest } from "../../../call/messages/encode-message.ts";
import { encodeEnvelope } from "../../../http/wire/envelope.ts";
import type { MessageQueue } from "../../../ttrpc/wire/message-queue.ts";
import { createMessageQueue } from "../../../ttrpc/wire/message-queue.ts";
import { toHeaders } from "../../grpc/fields.ts";
import type { GrpcCall, GrpcListener } from "./grpc-call.ts";
import { decodeResponse } from "./response-fields.ts";

/** Begins a call. */
type Open = (listener: GrpcListener) => GrpcCall;

/** Messages that may wait to be read, in bytes, before the stream is held back. */
const maxWaitingBytes = 64 * 1024;

/** Makes a call of a server-streaming method. */
export function callServerStreaming<I extends DescMessage, O extends DescMessage>(
  open: Open,
  method: DescMethodStreaming<I, O>,
  request: MessageInitShape<I>,
): Promise<StreamResponse<I, O>> {
  const enveloped = encodeEnvelope(0, encodeRequest(method.input, request));
  const { call, response } = start(open, method);
  call.stream.end(enveloped);
  return response;
}

/** Makes a call of a method that takes a stream of messages. */
export function callStreaming<I extends DescMessage, O extends DescMessage>(
  open: Open,
  method: DescMethodStreaming<I, O>,
  input: AsyncIterable<MessageInitShape<I>>,
): Promise<StreamResponse<I, O>> {
  const requests = input[Symbol.asyncIterator]();
  let requestsEnded = false;
  const { call, response } = start(open, method, (error) => {
    // However the call has ended, the caller's iterator must not be left open.
    if (!requestsEnded) {
      requestsEnded = true;
      endIterator(requests, error);
    }
  });
  void sendRequests(call, method, requests).then(
    () => {
      requestsEnded ||= !call.ended;
    },
    (error: unknown) => {
      requestsEnded = true;
      call.cancel(ConnectError.from(error, Code.Internal));
    },
  );
  return response;
}

/** Begins a call whose response is a stream; it is there when its header is. */
function start<I extends DescMessage, O extends DescMessage>(
  open: Open,
  method: DescMethodStreaming<I, O>,
  onEnd?: (error: ConnectError | undefined) => void,
): { readonly call: GrpcCall; readonly response: Promise<StreamResponse<I, O>> } {
  const { promise: response, resolve, reject } = Promise.withResolvers<StreamResponse<I, O>>();
  const trailer = new Headers();
  let paused = false;
  const queue = createMessageQueue(() => {
    if (paused && queue.weight < maxWaitingBytes / 2) {
      paused = false;
      call.stream.resume();
    }
  });
  const call = open({
    begun(failure) {
      if (failure !== undefined) {
        throw failure;
      }
      const message = readMessages(call, method, queue);
      resolve({ stream: true, service: method.parent, method, header: toHeaders(call.header), trailer, message });
    },
    message(bytes) {
      queue.push(bytes);
      if (!paused && queue.weight > maxWaitingBytes) {
        paused = true;
        call.stream.pause();
      }
    },
    ended(error, own) {
      toHeaders(call.trailer).forEach((value, name) => {
        trailer.append(name, value);
      });
      if (own) {
        queue.fail(error);
      } else {
        queue.end(error);
      }
      onEnd?.(error);
      reject(error);
    },
  });
  return { call, response };
}

async function sendRequests<I extends DescMessage>(
  call: GrpcCall,
  { input }: DescMethodStreaming<I>,
  requests: AsyncIterator<MessageInitShape<I>>,
): Promise<void> {
  for (;;) {
    const result = await requests.next();
    if (call.ended) {
      return;
    }
    if (result.done === true) {
      call.stream.end();
      return;
    }
    if (!call.stream.write(encodeEnvelope(0, encodeRequest(input, result.value)))) {
      await drained(call);
    }
  }
}

/** Waits until the stream takes more, or is no more. */
function drained({ stream }: GrpcCall): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}

/** An iterator of its own: one wrapped by `onReturn` takes longer for each message. */
function readMessages<O extends DescMessage>(
  call: GrpcCall,
  method: DescMethodStreaming<DescMessage, O>,
  queue: MessageQueue,
): AsyncIterableIterator<MessageShape<O>> {
  const iterator: AsyncIterableIterator<MessageShape<O>> = {
    async next() {
      const bytes = await queue.next();
      if (bytes === undefined) {
        return { done: true, value: undefined };
      }
      try {
        return { done: false, value: decodeResponse(method, bytes) };
      } catch (error) {
        call.cancel(ConnectError.from(error, Code.Internal));
        throw error;
      }
    },
    async return() {
      call.cancel(new ConnectError("the caller stopped reading", Code.Canceled));
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
