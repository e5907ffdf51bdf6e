import type { Interceptor } from "@connectrpc/connect";
import type { Address } from "../client/endpoint.ts";
import { explainErrors } from "../client/explain-errors.ts";
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
export function tellLoss(address: Pick<Address, "text">): Interceptor {
  return explainErrors((error) => {
    // PB-DIAL-FAILED knows more: that nothing was sent.
    const cause = isPlugboardError(error) ? undefined : lossIn(error);
    return cause === undefined
      ? error
      : new PlugboardError(
          "PB-CONNECTION-LOST",
          `the connection to ${address.text} broke while the call was in flight (${cause.message})`,
          { cause: error },
        );
  });
}

/** The error in a chain of causes that says that the connection is lost. */
function lossIn(error: unknown): Error | undefined {
  if (!(error instanceof Error)) {
    return undefined;
  }
  return "code" in error && codesOfLoss.includes(error.code) ? error : lossIn(error.cause);
}
