import type { PlugboardError } from "../../base/errors.ts";
import { isPlugboardError } from "../../base/errors.ts";
import { printableLine } from "../../base/printable.ts";
import { tlsRefusal } from "../../client/dialers/failures/errors.ts";
import { tlsError } from "./errors.ts";

/** The peer of a failed TLS handshake, and our side of it. */
export interface TlsPeer {
  /** For messages: "the server at tcp:localhost:4000", "a client". */
  readonly who: string;
  /** True if we have shown it a certificate. */
  readonly ownCertificate: boolean;
}

/** The code and the message of an error, without who it is about. */
type Verdict = readonly [Parameters<typeof tlsError>[0] | Parameters<typeof tlsRefusal>[0], string];

/** OpenSSL's words for a fault of the other side's certificate (openssl-verification-options(1)). */
const verdicts: readonly (readonly [RegExp, Verdict])[] = [
  [/^CERT_HAS_EXPIRED$/, ["PB-TLS-EXPIRED", "has a certificate that has expired"]],
  [/^CERT_NOT_YET_VALID$/, ["PB-TLS-NOT-YET-VALID", "has a certificate that is not valid yet"]],
  [/^(?:ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/, ["PB-TLS-NAME", "has a certificate for another name"]],
  [
    /^(?:DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_|CERT_|PATH_LENGTH_)/,
    ["PB-TLS-UNTRUSTED", "has a certificate that is not trusted here"],
  ],
  // From here on: what it says of ours, by an alert (RFC 8446, section 6.2).
  [/ALERT_CERTIFICATE_REQUIRED/, ["PB-TLS-CLIENT-CERTIFICATE", "requires a certificate of its client"]],
  [
    /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED|DECRYPT_ERROR)/,
    ["PB-TLS-REFUSED", "does not accept our certificate"],
  ],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|BAD_RECORD_TYPE/, ["PB-TLS-NOT-SPOKEN", "does not use TLS"]],
];

/** Older servers say so, too, to a client without a certificate. */
const maybeMissing = /ALERT_(?:BAD_CERTIFICATE|HANDSHAKE_FAILURE)/;

/**
 * Tells by an error of Node's or OpenSSL's, or by what has caused it, what the two sides could not agree on in TLS;
 * undefined if it is about something else.
 */
export function explainTls(error: unknown, peer: TlsPeer): PlugboardError | undefined {
  if (!(error instanceof Error)) {
    return undefined;
  }
  const { who, ownCertificate } = peer;
  const code = codeOf(error);
  if (!ownCertificate && maybeMissing.test(code)) {
    return tlsRefusal("PB-TLS-CLIENT-CERTIFICATE", `${who} probably requires a certificate of its client`);
  }
  const verdict = verdicts.find(([pattern]) => pattern.test(code))?.[1];
  return verdict === undefined ? explainTls(error.cause, peer) : errorOf(verdict, who, error);
}

function errorOf([code, what]: Verdict, who: string, cause: Error): PlugboardError {
  const message = `${who} ${what} (${reasonOf(cause)})`;
  switch (code) {
    case "PB-TLS-REQUIRED":
    case "PB-TLS-CLIENT-CERTIFICATE":
    case "PB-TLS-REFUSED":
      return tlsRefusal(code, message, { cause });
    default:
      return tlsError(code, message, { cause });
  }
}

function codeOf(error: Error): string {
  const code = "code" in error ? String(error.code) : "";
  // While a socket writes, Node has OpenSSL's words in the message only.
  return code === "EPROTO" ? error.message.toUpperCase().replaceAll(" ", "_") : code;
}

/**
 * The same for what comes once TLS is spoken, and perhaps calls were made: in TLS 1.3 a client learns only then what the
 * server finds of its certificate. All else that goes wrong by then is a connection that is lost.
 */
export function explainLateTls(error: Error, peer: TlsPeer): Error {
  const explained = explainTls(error, peer);
  return isPlugboardError(explained, "PB-TLS-CLIENT-CERTIFICATE") || isPlugboardError(explained, "PB-TLS-REFUSED")
    ? explained
    : error;
}

/** The part of a message that tells the reason: OpenSSL begins with where it noticed, Node ends with advice. It can quote. */
export function reasonOf(error: Error): string {
  const reason = "reason" in error && typeof error.reason === "string" ? error.reason : error.message;
  return printableLine(reason.split(";", 1)[0] ?? reason);
}
