import type { Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { PlugboardError } from "../../../base/errors.ts";
import { isPlugboardError } from "../../../base/errors.ts";
import { mapErrors } from "../../calls/map-errors.ts";
import { clientError } from "../../errors.ts";

/** Says that a server wants to know who calls. Metadata and details of its own error are kept. */
export function callerRefused(what: string, cause?: ConnectError): PlugboardError {
  const error = clientError("PB-CALLER-REFUSED", what, { cause });
  cause?.metadata.forEach((value, key) => {
    error.metadata.append(key, value);
  });
  error.details = cause?.details ?? [];
  return error;
}

/** Tells callers whom the server does not know what to do. For connections to a server that has asked who they are. */
export const askForToken: Interceptor = mapErrors((error) => {
  const isRefusal = error instanceof ConnectError && error.code === Code.Unauthenticated && !isPlugboardError(error);
  return isRefusal ? callerRefused(error.rawMessage, error) : error;
});
