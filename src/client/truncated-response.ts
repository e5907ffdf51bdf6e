import { Code, ConnectError } from "@connectrpc/connect";
import { explainErrors } from "./explain-errors.ts";

/** Connect's own words for a response that ends too early. */
const truncations = ["protocol error: incomplete envelope", "protocol error: missing EndStreamResponse"];

/**
 * Tells callers by `internal` that a response has ended too early, as https://connectrpc.com/docs/protocol has it.
 * Connect says `invalid_argument`, which by its meaning is the caller's fault.
 */
export const tellTruncation = explainErrors((error) =>
  error instanceof ConnectError && !error.isWireError && truncations.includes(error.rawMessage)
    ? new ConnectError(error.rawMessage, Code.Internal, error.metadata, undefined, error)
    : error,
);
