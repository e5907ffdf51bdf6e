import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Endpoint } from "../../address/endpoint.ts";
import type { PlugboardError } from "../../base/errors.ts";
import { isPlugboardError } from "../../base/errors.ts";
import { fieldBytes, maxFieldBlockBytes } from "../../call/messages/connection-fields.ts";
import { callError } from "../../ttrpc/client/errors.ts";
import { chunkExtension } from "../../ttrpc/endpoint.ts";
import { maxDataBytes } from "../../ttrpc/limits.ts";
import type { Route } from "../routes/negotiate.ts";

/** Longest request message that an endpoint is known to take, in bytes; what is not known is no limit. */
export function messageLimit({ protocol, extensions, limits }: Endpoint): number {
  const { maxMessageBytes = Number.POSITIVE_INFINITY } = limits;
  // A frame holds the envelope, too, so that a message just below its size fits elsewhere.
  return protocol === "ttrpc" && !extensions.includes(chunkExtension)
    ? Math.min(maxMessageBytes, maxDataBytes - 1)
    : maxMessageBytes;
}

/** True if a call was given up before anything was sent, as its message does not fit. */
export function isTooLarge(error: unknown): boolean {
  return isPlugboardError(error, "PB-MESSAGE-TOO-LARGE");
}

/** Bytes of a message; 0 for a value that is none, which the route refuses. */
export function messageLength<I extends DescMessage>(schema: I, message: MessageInitShape<I>): number {
  try {
    return toBinary(schema, create(schema, message)).byteLength;
  } catch {
    return 0;
  }
}

/** The message of a call, and what is worth measuring it for. */
export interface MeasuredMessage {
  /** Its length in bytes. */
  readonly measure: () => number;
  /** Its call streams responses: a refusal would be among them, too late for another route. */
  readonly streams: boolean;
}

/**
 * Finds out before sending that a route does not take a message. Measuring takes as long as sending it, so that is done only
 * where a route after it carries more, and for streams; and not for ttrpc, which sees it for itself.
 */
export function tooLargeFor(
  route: Route,
  later: readonly Route[],
  { measure, streams }: MeasuredMessage,
): PlugboardError | undefined {
  const limit = messageLimit(route.endpoint);
  const worthIt = streams
    ? limit < Number.POSITIVE_INFINITY
    : later.some((each) => messageLimit(each.endpoint) > limit);
  return worthIt && isHttp(route) ? tooLarge(route, measure) : undefined;
}

/**
 * Says of what a server has refused, as it was more than it takes, that this was the message, if it was known to be: the same as
 * where that is found out before sending.
 */
export function explainTooLarge(error: unknown, route: Route, message: MeasuredMessage | undefined): unknown {
  const refused = error instanceof ConnectError && error.code === Code.ResourceExhausted && !isPlugboardError(error);
  if (!refused || message === undefined || !isHttp(route)) {
    return error;
  }
  const explained = tooLarge(route, message.measure, error);
  error.metadata.forEach((value, key) => {
    explained?.metadata.append(key, value);
  });
  return explained ?? error;
}

/**
 * Finds out before sending that HTTP does not carry a call's metadata: over HTTP/2 it would cost the connection, and what refuses
 * it over HTTP/1.1 does so in no protocol's words.
 */
export function tooMuchMetadata(route: Route, metadata: Headers | undefined): ConnectError | undefined {
  if (metadata === undefined || !isHttp(route)) {
    return undefined;
  }
  let bytes = 0;
  metadata.forEach((value, name) => {
    bytes += fieldBytes(name, value);
  });
  const what = `the call's metadata has ${bytes} bytes, and HTTP carries ${maxFieldBlockBytes}`;
  return bytes > maxFieldBlockBytes ? new ConnectError(what, Code.ResourceExhausted) : undefined;
}

function isHttp({ endpoint: { protocol } }: Route): boolean {
  return protocol !== "ttrpc" && protocol !== "none";
}

function tooLarge({ name, endpoint }: Route, measure: () => number, cause?: unknown): PlugboardError | undefined {
  const limit = messageLimit(endpoint);
  // What is not known to be limited, need not be measured.
  const bytes = limit === Number.POSITIVE_INFINITY ? 0 : measure();
  const what = `the message has ${bytes} bytes, and ${name} carries ${limit}`;
  return bytes > limit ? callError("PB-MESSAGE-TOO-LARGE", what, { cause }) : undefined;
}
