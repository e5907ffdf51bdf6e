import type { Code } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";

/** The reason why a call was denied, for programs that read the audit log. */
export type DenialReason =
  /** It came without anything that tells who makes it. */
  | "no_credentials"
  /** Its token is not one, or not a valid one. */
  | "invalid_token"
  /** Its token was valid once. */
  | "expired_token"
  /** Its caller is known, and lacks a scope that the method requires. */
  | "missing_scope"
  /** The `auth` function has refused it in words of its own. */
  | "refused"
  /** Too many calls of its address were denied. Of each address, one in ten seconds is recorded. */
  | "too_many_failures"
  /** The caller could not be identified. */
  | "auth_failed";

/** What is known of a denial beside what its caller is told. */
interface Denial {
  readonly reason: DenialReason;
  readonly trouble: string | undefined;
}

const denials = new WeakMap<object, Denial>();

/**
 * Makes the error of a call that is denied.
 * @param trouble What keeps callers from being checked, for the log of the plugin.
 */
export function denied(reason: DenialReason, message: string, code: Code, trouble?: string): ConnectError {
  const error = new ConnectError(message, code);
  denials.set(error, { reason, trouble });
  return error;
}

/** The reason why an error denies a call, if it has one. */
export function denialReason(error: ConnectError): DenialReason | undefined {
  return denials.get(error)?.reason;
}

/** What keeps callers from being checked, if that is why an error denies a call. */
export function troubleOf(error: unknown): string | undefined {
  return error instanceof ConnectError ? denials.get(error)?.trouble : undefined;
}
