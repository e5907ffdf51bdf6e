import { defineErrors } from "../../base/errors.ts";

/** Errors of settings and the environment. */
export const settingError = /* @__PURE__ */ defineErrors({
  /** A setting can't be used. Its value is out of bounds or malformed, or there is no setting of its name. */
  "PB-SETTING-INVALID": {
    code: "InvalidArgument",
    hint: "Use a value that is allowed, or leave the setting out; docs/settings.md lists all of them.",
  },
});
