import { defineErrors } from "../base/errors.ts";

/** Errors of limits and rate limits. */
export const edgeError = /* @__PURE__ */ defineErrors({
  /** The Worker lacks the rate limit that bindingRateLimit() names. wrangler.toml has no binding of that name, or one of another kind. */
  "PB-RATE-LIMIT-BINDING": {
    code: "FailedPrecondition",
    hint:
      "Add [[ratelimits]] with this name, namespace_id and simple = { limit, period } to wrangler.toml, and to each of its " +
      "environments, as they inherit no bindings.",
  },
});
