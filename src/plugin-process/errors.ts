import { defineErrors } from "../base/errors.ts";

/** Errors of running as a plugin process. */
export const processError = /* @__PURE__ */ defineErrors({
  /** The plugin's command line does not say where to listen. --listen has no value, or one that is no address to listen on. */
  "PB-COMMAND-LINE": {
    code: "InvalidArgument",
    hint: "Use --listen unix:/path or --listen tcp:127.0.0.1:4000.",
  },
  /** A host started this plugin with another cookie than serve() expects. Host and plugin are not made for each other, or one has no `handshake`. */
  "PB-COOKIE-MISMATCH": {
    code: "FailedPrecondition",
    hint:
      "Give serve() and host.load the same cookie, by their option `handshake` or the variables PLUGIN_MAGIC_COOKIE_*. To run " +
      "the plugin by hand, use --listen unix:/path.",
  },
  /** The socket can't be given to the group that the host names. There is no such group, or this user is not in it. */
  "PB-SOCKET-GROUP": {
    code: "FailedPrecondition",
    hint: "Let the host name a group that exists and that this user belongs to, or none.",
  },
});
