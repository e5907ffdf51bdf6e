import { ConnectError } from "@connectrpc/connect";
import type { Address } from "../../../address/endpoint.ts";
import { refusedHeader } from "../../../call/errors/call-refused.ts";
import { callError } from "../../../ttrpc/client/errors.ts";
import { mapErrors } from "../../calls/map-errors.ts";

/**
 * Tells by PB-CALL-REFUSED that a server of HTTP/1.1 was about to end the connection and has not begun with the call.
 * @param onRefused Called before the call can be made again.
 */
export function mapRefusal({ text }: Pick<Address, "text">, onRefused?: () => void) {
  return mapErrors((error) => {
    if (!(error instanceof ConnectError) || !error.metadata.has(refusedHeader)) {
      return error;
    }
    onRefused?.();
    return callError("PB-CALL-REFUSED", `${text} accepts no more calls on this connection`, {
      cause: error,
    });
  });
}
