import type { Address } from "../../../address/endpoint.ts";
import type { PlugboardError } from "../../../base/errors.ts";
import { callError } from "../../../ttrpc/client/errors.ts";

/** The error codes of Node and its fetch for a connection that the other side has ended. */
const codesOfLoss: readonly unknown[] = [
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_STREAM_CANCEL",
  "ERR_STREAM_PREMATURE_CLOSE",
  "UND_ERR_SOCKET",
];

/** The error of a call whose connection broke while it was in flight; `undefined` for an error that does not say so. */
export function connectionLost({ text }: Pick<Address, "text">, error: unknown): PlugboardError | undefined {
  const cause = lossIn(error);
  return (
    cause &&
    callError("PB-CONNECTION-LOST", `the connection to ${text} broke while the call was in flight (${cause.message})`, {
      cause: error,
    })
  );
}

/** The error in a chain of causes that says that the connection is lost. */
function lossIn(error: unknown): Error | undefined {
  if (!(error instanceof Error)) {
    return undefined;
  }
  return "code" in error && codesOfLoss.includes(error.code) ? error : lossIn(error.cause);
}
