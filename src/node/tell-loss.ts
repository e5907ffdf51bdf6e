import type { Interceptor } from "@connectrpc/connect";
import type { Address } from "../client/endpoint.ts";
import { isPlugboardError, PlugboardError } from "../plugin/errors.ts";

/** What Node calls a connection that the other side has ended. */
const codesOfLoss: readonly unknown[] = [
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_STREAM_CANCEL",
  "ERR_STREAM_PREMATURE_CLOSE",
];

/**
 * Tells callers by PB-CONNECTION-LOST that the connection broke while their call was in flight. Connect takes some of
 * that for `aborted`, which by its meaning is a conflict that the plugin has noticed.
 */
export function tellLoss(address: Address): Interceptor {
  return (next) => async (request) => {
    const explain = (error: unknown) => (request.signal.aborted ? error : (lossOf(error, address) ?? error));
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: explained(response.message, explain) } : response;
    } catch (error) {
      throw explain(error);
    }
  };
}

async function* explained<T>(messages: AsyncIterable<T>, explain: (error: unknown) => unknown): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw explain(error);
  }
}

function lossOf(error: unknown, address: Address): PlugboardError | undefined {
  // PB-DIAL-FAILED knows more: that nothing was sent.
  if (isPlugboardError(error)) {
    return undefined;
  }
  for (let each = error; each instanceof Error; each = each.cause) {
    if ("code" in each && codesOfLoss.includes(each.code)) {
      const message = `the connection to ${address.text} broke while the call was in flight (${each.message})`;
      return new PlugboardError("PB-CONNECTION-LOST", message, { cause: error });
    }
  }
  return undefined;
}
