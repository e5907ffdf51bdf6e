import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { setDeadlineTimer } from "../../base/async/within.ts";
import { longerThanTaken } from "../../call/errors/longer-than-taken.ts";
import { timedOut } from "../../call/time/deadline.ts";
import { maxDataBytes } from "../limits.ts";
import type { RequestParts, StreamExtensions } from "../wire/envelope.ts";
import { encodeMetadata, encodeMethod, readResponse, requestLength } from "../wire/envelope.ts";
import type { MessageStream } from "../wire/message-stream.ts";
import { createMessageStream } from "../wire/message-stream.ts";
import { appendHeaders } from "../wire/metadata.ts";
import { fromStatus } from "../wire/status.ts";
import type { ClientCall, ClientConnection } from "./client-connection.ts";
import { requestTooLarge } from "./client-connection.ts";

/** Options of a call. */
export interface CallOptions extends StreamExtensions {
  readonly signal: AbortSignal | undefined;
  /** Time left until the deadline, in milliseconds; `undefined` without one. */
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
  /** Largest response message, in bytes. */
  readonly maxMessageBytes: number;
  /** Largest request message that the server takes, in bytes. */
  readonly maxRequestBytes: number;
  /** Calls that the connection may have in flight, with this one. */
  readonly maxConcurrentCalls: number;
}

/** A call that is open. */
export interface CallWatch {
  readonly id: number;
  /** Ends the call before its response has come, and tells the server. */
  cancel(error: ConnectError): void;
  /** The call has ended. */
  end(): void;
}

/**
 * Opens the call, and ends it at its deadline or when its caller gives it up.
 * @param flags One of `openFlags`.
 */
export function watchCall(
  connection: ClientConnection,
  call: ClientCall,
  parts: RequestParts,
  flags: number,
  { signal, timeoutMs, extended }: CallOptions,
): CallWatch {
  if (signal?.aborted) {
    throw ConnectError.from(signal.reason, Code.Canceled);
  }
  const id = connection.open(call, parts, flags);
  if (extended) {
    connection.expectPings();
  }
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
  const expire = () => watch.cancel(timedOut());
  const timer = timeoutMs === undefined ? undefined : setDeadlineTimer(expire, timeoutMs);
  return watch;
}

/** The content of a response frame of a call that succeeded. */
export interface Settled {
  readonly payload: Uint8Array;
  readonly header: Headers;
  readonly trailer: Headers;
}

/**
 * Reads a response frame.
 * @throws ConnectError that the frame carries, or internal if it is no response.
 */
export function settle(data: Uint8Array): Settled {
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

/** Adds to headers those of another. */
export function appendAll(to: Headers, from: Headers) {
  from.forEach((value, key) => {
    to.append(key, value);
  });
}

const encodedMethods = new WeakMap<DescMethod, Uint8Array>();

/** The parts of a call's request frame. */
export function requestParts(method: DescMethod, payload: Uint8Array, options: CallOptions): RequestParts {
  let encoded = encodedMethods.get(method);
  if (encoded === undefined) {
    encoded = encodeMethod(method.parent.typeName, method.name);
    encodedMethods.set(method, encoded);
  }
  return { method: encoded, payload, timeoutMs: options.timeoutMs, metadata: metadataOf(options) };
}

/**
 * Makes sure that the server takes the message of a request.
 * @throws PlugboardError PB-MESSAGE-TOO-LARGE
 */
export function checkRequestSize({ payload }: RequestParts, { maxRequestBytes }: CallOptions): void {
  if (payload.byteLength > maxRequestBytes) {
    throw requestTooLarge(payload.byteLength, maxRequestBytes);
  }
}

/** True if the message of a request does not fit into its frame, and has to follow in chunks. */
export function needsChunks(parts: RequestParts, { chunked }: CallOptions): boolean {
  // Rarely near the limit, so that the length is seldom counted twice.
  return chunked && parts.payload.byteLength > maxDataBytes / 2 && requestLength(parts) > maxDataBytes;
}

const noMetadata = encodeMetadata(undefined, { extended: false, chunked: false });
const extendedOnly = encodeMetadata(undefined, { extended: true, chunked: false });
const bothExtensions = encodeMetadata(undefined, { extended: true, chunked: true });

function metadataOf(options: CallOptions): Uint8Array {
  const { header, extended, chunked } = options;
  if (header === undefined) {
    return chunked ? bothExtensions : extended ? extendedOnly : noMetadata;
  }
  return encodeMetadata(new Headers(header), options);
}

/** Makes the message part of a call. */
export function messagesOf(connection: ClientConnection, watch: CallWatch, options: CallOptions): MessageStream {
  const { extended, chunked, maxMessageBytes } = options;
  return createMessageStream({
    link: connection.link,
    streamId: watch.id,
    extended,
    chunked,
    maxMessageBytes,
    violationCode: Code.Internal,
    onViolation: watch.cancel,
  });
}

/**
 * Parses a response message.
 * @throws ConnectError resource_exhausted if it is longer than the caller takes, internal if it is none.
 */
export function decodeMessage<O extends DescMessage>(
  { output }: { readonly output: O },
  bytes: Uint8Array,
  { maxMessageBytes }: CallOptions,
): MessageShape<O> {
  if (bytes.byteLength > maxMessageBytes) {
    throw longerThanTaken(bytes.byteLength, maxMessageBytes);
  }
  try {
    return fromBinary(output, bytes);
  } catch {
    throw protocolError(`the message is no ${output.typeName}`);
  }
}

/** The error of a call whose server does not keep to the protocol. */
export function protocolError(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what}`, Code.Internal);
}
