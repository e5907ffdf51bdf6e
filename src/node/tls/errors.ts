import { defineErrors } from "../../base/errors.ts";

/** Errors of TLS. */
export const tlsError = /* @__PURE__ */ defineErrors({
  /** A certificate or a key can't be read. It is not PEM, its file is missing or not readable, or one of the pair is missing. */
  "PB-TLS-UNREADABLE": {
    code: "InvalidArgument",
    hint: "Give PEM text, or a file:// URL with the absolute path of a PEM file that this process may read.",
  },
  /** The private key does not belong to the certificate. They come from two pairs, perhaps after a renewal of one. */
  "PB-TLS-KEY": {
    code: "InvalidArgument",
    hint: "Give the private key that belongs to the certificate.",
  },
  /** The other side's certificate is not trusted here. It is self-signed, or issued by an authority that is not among the roots. */
  "PB-TLS-UNTRUSTED": {
    code: "Unauthenticated",
    hint: "Check whose certificate it is. If it is the right one, add it, or its issuer's, to the roots.",
  },
  /** The other side's certificate has expired. It was not renewed in time, or a clock is wrong. */
  "PB-TLS-EXPIRED": {
    code: "Unauthenticated",
    hint: "Renew the certificate, and check the clocks of both machines.",
  },
  /** The other side's certificate is not valid yet. A clock is wrong, or the certificate was made for a later day. */
  "PB-TLS-NOT-YET-VALID": {
    code: "Unauthenticated",
    hint: "Check the clocks of both machines, and the certificate's first day.",
  },
  /** The server's certificate is for another name. The address differs from the names in the certificate. */
  "PB-TLS-NAME": {
    code: "Unauthenticated",
    hint: "Use the address that the certificate was made for, or give the name in it as tls.serverName.",
  },
  /** A client used TLS, and the server has none. It has no certificate, or the port is another server's. */
  "PB-TLS-NOT-SPOKEN": {
    code: "FailedPrecondition",
    hint: "Call it without TLS if no other machine can reach it, or give the server a certificate.",
  },
  /** TLS could not be set up, for another reason. The other side closed the connection, was silent, or supports no common version. */
  "PB-TLS-FAILED": {
    code: "Unavailable",
    hint: "Check that both sides support TLS 1.2 or later, and read the log of the other side.",
  },
});
