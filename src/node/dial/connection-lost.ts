import type { Interceptor } from "@connectrpc/connect";
import type { Address } from "../../address/endpoint.ts";
import { isPlugboardError } from "../../base/errors.ts";
import { mapErrors } from "../../client/calls/map-errors.ts";
import { connectionLost } from "../../client/dialers/failures/connection-lost.ts";
import { explainTruncation } from "../../client/dialers/failures/truncated-response.ts";
import { resetIn } from "../http2/reset.ts";

/**
 * Tells callers by PB-CONNECTION-LOST that the connection broke while their call was in flight. Connect takes some of
 * that for `aborted`, which by its meaning is a conflict that the plugin has noticed. And of a response that has ended too
 * early: both at once, as each is a step for every message of a response.
 */
export function mapConnectionLoss(address: Pick<Address, "text">): Interceptor {
  return mapErrors((thrown) => explainLoss(address, explainTruncation(thrown)));
}

/** The error of a call that failed as its stream was reset, or its connection broke; any other stays as it is. */
export function explainLoss(address: Pick<Address, "text">, error: unknown): unknown {
  const reset = resetIn(error, address);
  if (reset !== undefined) {
    return reset;
  }
  // PB-DIAL-FAILED knows more: that nothing was sent.
  return isPlugboardError(error) ? error : (connectionLost(address, error) ?? error);
}
