import { defineErrors } from "../../base/errors.ts";

/** Errors of serving over HTTP. */
export const nodeHttpError = /* @__PURE__ */ defineErrors({
  /** `behindProxy` does not say where the proxy is. `from` is empty, or has an entry that is no address and no network. */
  "PB-PROXY-INVALID": {
    code: "InvalidArgument",
    hint: 'List the addresses or networks of the proxy: behindProxy: { from: ["10.0.0.7", "10.1.0.0/16"] }.',
  },
});
