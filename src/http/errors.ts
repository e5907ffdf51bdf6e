import { defineErrors } from "../base/errors.ts";

/** Errors of serving over HTTP. */
export const httpError = /* @__PURE__ */ defineErrors({
  /** An entry of `origins` is not an origin. It may have a path, lack its scheme, or be no URL. */
  "PB-ORIGIN-INVALID": {
    code: "InvalidArgument",
    hint:
      "Write origins as browsers send them, scheme, host and port if it is not the scheme's own: " +
      '"https://app.example.com"; or "*" for any.',
  },
  /** An entry of `hosts` is not a host. It may be a URL, or have a port that is none. */
  "PB-HOST-INVALID": {
    code: "InvalidArgument",
    hint: 'Write hosts as requests name them: "notes.example.com", "notes.example.com:8443" or "[2001:db8::1]"; or "*" for any.',
  },
});
