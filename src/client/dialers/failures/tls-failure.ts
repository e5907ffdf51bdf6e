import { ConnectError } from "@connectrpc/connect";
import type { PlugboardError } from "../../../base/errors.ts";
import { isPlugboardError } from "../../../base/errors.ts";
import { printableLine } from "../../../base/printable.ts";
import { tlsRefusal } from "./errors.ts";

/** The codes that servers begin their refusals with, in whatever protocol. */
const saidByServers = ["PB-TLS-REQUIRED", "PB-TLS-CLIENT-CERTIFICATE", "PB-TLS-REFUSED"] as const;

/** True for an error that says that caller and server could not agree on TLS. Nothing of the call was read then. */
export function isTlsFailure(error: unknown): error is PlugboardError {
  return isPlugboardError(error) && error.errorCode.startsWith("PB-TLS-");
}

/**
 * Finds in an error, or in what has caused it, that caller and server could not agree on TLS; be it that the caller has
 * noticed, or that the server has said so, in whatever protocol.
 * @param place The server's address, for messages.
 */
export function tlsFailureIn(error: unknown, place: string): PlugboardError | undefined {
  if (!(error instanceof Error)) {
    return undefined;
  }
  if (isTlsFailure(error)) {
    return error;
  }
  const said = refusalIn(error instanceof ConnectError ? error.rawMessage : error.message, place);
  return said ?? tlsFailureIn(error.cause, place);
}

/** Reads what a server says; undefined if it is about something else. */
function refusalIn(text: string, place: string): PlugboardError | undefined {
  const errorCode = saidByServers.find((each) => text.startsWith(`${each}: `));
  if (errorCode === undefined) {
    return undefined;
  }
  const [reason = ""] = text.slice(errorCode.length + 2).split("\n", 1);
  return tlsRefusal(errorCode, `the server at ${place} says: ${printableLine(reason)}`);
}
