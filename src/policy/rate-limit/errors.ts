import { defineErrors } from "../../base/errors.ts";

/** Errors of limits and rate limits. */
export const rateLimitError = /* @__PURE__ */ defineErrors({
  /** A rate limit has options that it can't keep. A rate or a burst is out of bounds. */
  "PB-RATE-LIMIT-INVALID": {
    code: "InvalidArgument",
    hint: "Give perSecond and burst numbers that are allowed.",
  },
});
