import { defineErrors } from "../base/errors.ts";

/** Errors of settings and the environment. */
export const nodeError = /* @__PURE__ */ defineErrors({
  /** Node is too old. Another Node comes first on PATH than the one that the program is meant for. */
  "PB-NODE-VERSION": {
    code: "FailedPrecondition",
    hint: "Run it with a later Node. For a plugin, that is the `node` that its command begins with.",
  },
});
