import { Code, ConnectError } from "@connectrpc/connect";
import { mapErrors } from "../../calls/map-errors.ts";

/** Connect's own words for a response that ends too early. */
const truncations = ["protocol error: incomplete envelope", "protocol error: missing EndStreamResponse"];

/**
 * Says by `internal` that a response has ended too early, as https://connectrpc.com/docs/protocol has it. Connect says
 * `invalid_argument`, which by its meaning is the caller's fault. Any other error stays as it is.
 */
export function explainTruncation(error: unknown): unknown {
  return error instanceof ConnectError && !error.isWireError && truncations.includes(error.rawMessage)
    ? new ConnectError(error.rawMessage, Code.Internal, error.metadata, undefined, error)
    : error;
}

/** Tells callers of a response that has ended too early. */
export const mapTruncation = mapErrors(explainTruncation);
