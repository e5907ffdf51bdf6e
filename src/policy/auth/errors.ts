import { defineErrors } from "../../base/errors.ts";

/** Errors of access rules and authentication. */
export const authError = /* @__PURE__ */ defineErrors({
  /** bearer() has no secret that it can compare with. There is none, or it is too short, or no header can carry it. */
  "PB-AUTH-SECRET": {
    code: "InvalidArgument",
    hint:
      "Use a random text of 32 letters and digits, such as `openssl rand -hex 16` prints, from a secret of the Worker or " +
      "an environment variable of the process.",
  },
  /** jwt() has options that can't be used. An issuer, an audience or a URL is missing or malformed, or an algorithm does not fit the keys. */
  "PB-AUTH-JWT": {
    code: "InvalidArgument",
    hint:
      "Take issuer, audience and the URL of the keys from the issuer's documentation: its discovery document calls the last " +
      "jwks_uri. docs/security/access.md has an example.",
  },
  /** A method's access rule contradicts itself. Its contract makes it public and lists scopes, or lists a scope that is none. */
  "PB-ACCESS-RULE": {
    code: "InvalidArgument",
    hint: "Correct the options plugboard.access.v1 of the method in its .proto file, then generate its code again.",
  },
  /** A plugin whose contract requires scopes would be served without `auth`. Every call of those methods would be open or fail. */
  "PB-ACCESS-UNGUARDED": {
    code: "FailedPrecondition",
    hint:
      "Give the option `auth`, such as auth: jwt({ ... }), or remove required_scopes from the contract if every caller may " +
      "call. A plugin of a host needs `auth` only at an endpoint of its own, or for a group.",
  },
});
