import { ConnectError } from "@connectrpc/connect";
import { isPlugboardError } from "../../base/errors.ts";

/** Errors that stand for a response without an error in it, or for none. */
const standIns = new WeakSet<ConnectError>();

/** True for an error that a server has sent in its protocol. */
export function isServersWord(error: ConnectError): boolean {
  return error.isWireError && !standIns.has(error);
}

/**
 * Marks what a call has failed with as come over a wire. What a handler does with it is not to have the metadata of its own
 * call's response: so Connect marks most such errors, but not those that an HTTP response without an error in it stands for.
 * @param signal The call's: once it is aborted, the error is none of the server's.
 */
export function markWireError(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted && error instanceof ConnectError && !isPlugboardError(error)) {
    if (!error.isWireError) {
      standIns.add(error);
    }
    error.isWireError = true;
  }
  return error;
}
