import { defineErrors } from "../base/errors.ts";

/** Errors of addresses and other targets. */
export const addressError = /* @__PURE__ */ defineErrors({
  /**
   * The value given to connect() is not a target. An address is malformed or has a scheme that is not known, or an
   * object is of no known kind.
   */
  "PB-TARGET-UNSUPPORTED": {
    code: "InvalidArgument",
    hint: 'Give connect() a plugin, an address such as "https://host", "unix:/path" or "tcp:127.0.0.1:4000", or a service binding.',
  },
});
