import { defineErrors } from "../../base/errors.ts";

/** Errors of listening. */
export const listenError = /* @__PURE__ */ defineErrors({
  /** The plugin would be open to callers that it can't tell apart. It listens on TCP without TLS, or without checking its callers. */
  "PB-LISTEN-INSECURE": {
    code: "FailedPrecondition",
    hint:
      "Use tcp:127.0.0.1:PORT, tcp:[::1]:PORT or a Unix socket: plain TCP is only for the loopback interface. For the network, " +
      "give the plugin a certificate, and `auth` or the roots of its clients' certificates; or let a proxy end TLS, and " +
      "configure it as `behindProxy`.",
  },
  /** The address can't be listened on. Another process uses it, or this user may not. */
  "PB-LISTEN-FAILED": {
    code: "FailedPrecondition",
    hint: "Choose an address that is free and that this process may use.",
  },
  /** The path of the Unix socket can't be used. The system limits its length (107 bytes on Linux), or the handshake can't carry it. */
  "PB-SOCKET-PATH": {
    code: "InvalidArgument",
    hint: "Choose another path; for a plugin of a host, by TMPDIR or PLUGIN_UNIX_SOCKET_DIR.",
  },
});
