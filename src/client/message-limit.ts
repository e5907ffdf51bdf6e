import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { isPlugboardError, PlugboardError } from "../plugin/errors.ts";
import { encodeMessage } from "../rpc/encode-message.ts";
import { chunkExtension } from "../ttrpc/endpoint.ts";
import { maxDataBytes } from "../ttrpc/frame.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Route } from "./negotiate.ts";

/** Longest request message that an endpoint is known to take, in bytes; what is not known is no limit. */
export function messageLimit({ protocol, extensions, limits }: Endpoint): number {
  const { maxMessageBytes = Number.POSITIVE_INFINITY } = limits;
  // A frame holds the envelope, too, so that a message just below its size fits elsewhere.
  return protocol === "ttrpc" && !extensions.includes(chunkExtension)
    ? Math.min(maxMessageBytes, maxDataBytes - 1)
    : maxMessageBytes;
}

/** Whether a call was given up before anything was sent, as its message does not fit. */
export function isTooLarge(error: unknown): boolean {
  return isPlugboardError(error, "PB-MESSAGE-TOO-LARGE");
}

/** How long a message is, in bytes; 0 for what is none, which the route refuses. */
export function messageLength<I extends DescMessage>(schema: I, message: MessageInitShape<I>): number {
  try {
    return encodeMessage(schema, create(schema, message)).byteLength;
  } catch {
    return 0;
  }
}

/**
 * Finds out before sending that a route does not take a message. Measuring takes as long as sending it, so that is done only
 * where a route after it carries more; and not for ttrpc, which sees it for itself.
 */
export function tooLargeFor(
  { name, endpoint }: Route,
  later: readonly Route[],
  measure: () => number,
): PlugboardError | undefined {
  if (endpoint.protocol === "ttrpc" || endpoint.protocol === "none") {
    return undefined;
  }
  const limit = messageLimit(endpoint);
  if (!later.some((each) => messageLimit(each.endpoint) > limit)) {
    return undefined;
  }
  const bytes = measure();
  return bytes > limit
    ? new PlugboardError("PB-MESSAGE-TOO-LARGE", `the message has ${bytes} bytes, and ${name} takes ${limit}`)
    : undefined;
}
