import { defineErrors } from "../../base/errors.ts";

/** Errors of limits and rate limits. */
export const limitError = /* @__PURE__ */ defineErrors({
  /** A limit can't be kept. It is negative, no number, or no whole one. */
  "PB-LIMIT-INVALID": {
    code: "InvalidArgument",
    hint:
      "Use a whole number of bytes, milliseconds or streams from 1; Infinity lifts the limit. The type CallLimits " +
      "has the names and units.",
  },
});
