import { defineErrors } from "../../../base/errors.ts";

/** Errors of TLS. */
export const tlsRefusal = /* @__PURE__ */ defineErrors({
  /** A client without TLS reached a server that requires it. The address lacks https:, or connect() the option `tls`. */
  "PB-TLS-REQUIRED": {
    code: "FailedPrecondition",
    hint: "Call it with TLS: give connect() the option `tls`, or use https:.",
  },
  /** A client showed no certificate to a server that requires one. `tls` lacks `certificate` and `key`. */
  "PB-TLS-CLIENT-CERTIFICATE": {
    code: "Unauthenticated",
    hint: "Give tls.certificate and tls.key, of a certificate that the server trusts.",
  },
  /** The other side rejected our certificate. It does not trust the issuer, or the certificate has expired or is for another use. */
  "PB-TLS-REFUSED": {
    code: "Unauthenticated",
    hint: "Use a certificate that the other side trusts and that is valid, or add this one to its roots.",
  },
});
