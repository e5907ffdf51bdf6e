import { defineErrors } from "../../base/errors.ts";

/** Errors of settings and the environment. */
export const settingError = /* @__PURE__ */ defineErrors({
  /** An option, or the variable that says the same, can't be used. Its value is out of bounds or malformed. */
  "PB-SETTING-INVALID": {
    code: "InvalidArgument",
    hint: "Use a value that is allowed, or leave it out; docs/settings.md lists all options and variables.",
  },
});
