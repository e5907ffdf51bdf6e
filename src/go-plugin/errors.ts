import { defineErrors } from "../base/errors.ts";

/** Errors of the handshake between plugin and host. */
export const handshakeError = /* @__PURE__ */ defineErrors({
  /** The cookie of the handshake can't be used. Its key is no name of an environment variable, or its value is empty. */
  "PB-COOKIE-INVALID": {
    code: "InvalidArgument",
    hint: "Use the key and value that plugin and host share: MagicCookieKey and MagicCookieValue of go-plugin's HandshakeConfig.",
  },
  /** The host can't read the plugin's handshake. The command is no plugin, or prints to stdout before its handshake. */
  "PB-HANDSHAKE-INVALID": {
    code: "FailedPrecondition",
    hint: "Make the handshake the first line on stdout: call serve(plugin), and print nothing to stdout before.",
  },
  /** The plugin uses another version of the handshake. go-plugin has only version 1. */
  "PB-HANDSHAKE-CORE-VERSION": {
    code: "FailedPrecondition",
    hint: "Update the plugin: only version 1 of go-plugin's handshake exists.",
  },
  /** The host asked for automatic TLS, and the plugin made no certificate. It does not know AutoMTLS, or has it switched off. */
  "PB-HANDSHAKE-CERTIFICATE-MISSING": {
    code: "FailedPrecondition",
    hint: 'Load the plugin without tls: "auto", or with the certificates that it was given.',
  },
  /** No directory is fit for the plugin's socket. It can't be created, or other users could replace what is in it. */
  "PB-SOCKET-DIRECTORY": {
    code: "FailedPrecondition",
    hint: "Set TMPDIR to a directory that exists and that this process may write to.",
  },
});
