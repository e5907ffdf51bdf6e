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
 */
export function markWireError(error: unknown): unknown {
  if (error instanceof ConnectError && !isPlugboardError(error)) {
    if (!error.isWireError) {
      standIns.add(error);
    }
    error.isWireError = true;
  }
  return error;
}
