import type { Interceptor } from "@connectrpc/connect";
import { connectionLost } from "../client/connection-lost.ts";
import type { Address } from "../client/endpoint.ts";
import { explainErrors } from "../client/explain-errors.ts";
import { explainTruncation } from "../client/truncated-response.ts";
import { isPlugboardError } from "../plugin/errors.ts";
import { resetIn } from "./http2-reset.ts";

/**
 * Tells callers by PB-CONNECTION-LOST that the connection broke while their call was in flight. Connect takes some of
 * that for `aborted`, which by its meaning is a conflict that the plugin has noticed. And of a response that has ended too
 * early: both at once, as each is a step for every message of a response.
 */
export function tellLoss(address: Pick<Address, "text">): Interceptor {
  return explainErrors((thrown) => {
    const error = explainTruncation(thrown);
    const reset = resetIn(error, address);
    if (reset !== undefined) {
      return reset;
    }
    // PB-DIAL-FAILED knows more: that nothing was sent.
    return isPlugboardError(error) ? error : (connectionLost(address, error) ?? error);
  });
}
