import { defineErrors } from "../base/errors.ts";

/** Errors of loading plugins. */
export const hostError = /* @__PURE__ */ defineErrors({
  /** An option of host.load() can't be used. It is missing or of another type. */
  "PB-LAUNCH-OPTION": {
    code: "InvalidArgument",
    hint: 'Pass options such as { command: ["node", "plugin.js"], env: { NAME: "text" } }.',
  },
  /** The plugin's process ended before its handshake. The message quotes what it printed. */
  "PB-HANDSHAKE-EXITED": {
    code: "Unavailable",
    hint:
      "Run the command by hand to see why it ends. A plugin that was made for another host ends " +
      "like this unless it gets that host's cookie, by the option `handshake`.",
  },
  /** The plugin did not print its handshake in time. It is slow to start, or never calls serve(). */
  "PB-HANDSHAKE-TIMEOUT": {
    code: "DeadlineExceeded",
    hint:
      "Check that the command calls serve(plugin); if it only needs longer, raise startTimeoutMs of load(), handshakeTimeoutMs of " +
      "the host, or PLUGIN_HANDSHAKE_TIMEOUT.",
  },
  /** Host and plugin share no application protocol version. One of them is older than the other. */
  "PB-HANDSHAKE-APP-VERSION": {
    code: "FailedPrecondition",
    hint: "Update the older side, or pass `protocolVersions` with one that the plugin speaks.",
  },
  /** The plugin offers no way of being called that this host takes. It speaks net/rpc, or listens where the host does not call. */
  "PB-HANDSHAKE-UNSUPPORTED": {
    code: "Unimplemented",
    hint: "Use a plugin that serves ttrpc, gRPC or Connect over a Unix socket or TCP.",
  },
  /** The plugin made a certificate that the host did not ask for. It has automatic TLS switched on, the host has not. */
  "PB-HANDSHAKE-CERTIFICATE-UNASKED": {
    code: "FailedPrecondition",
    hint: 'Load the plugin with tls: "auto" if it should make a certificate of its own.',
  },
  /** The address in the plugin's handshake can't be reached. The plugin ended or stopped listening right after its handshake. */
  "PB-HANDSHAKE-SOCKET": {
    code: "Unavailable",
    hint: "Check that the plugin keeps listening after it has printed its handshake.",
  },
  /** The plugin's process ended while it was in use. It crashed, was killed, or left by itself; the message quotes what it printed. */
  "PB-PLUGIN-EXITED": {
    code: "Unavailable",
    hint: "Load the plugin again. If it ends again, run its command by hand to see why.",
  },
  /** The target given to host.reattach() can't be used. It lacks a process id, an address or a protocol, or is of another machine. */
  "PB-REATTACH-TARGET": {
    code: "InvalidArgument",
    hint: 'Pass { pid: 4711, address: "unix:/path", protocol: "grpc" }, or one value of what TF_REATTACH_PROVIDERS holds.',
  },
  /** The process to reattach to is gone. It ended after the target was written down. */
  "PB-REATTACH-GONE": {
    code: "Unavailable",
    hint: "Start the plugin again, and pass the target that it prints then.",
  },
  /** A plugin was loaded by a host that is closed. close() was called, or `await using` ended, before or while it started. */
  "PB-HOST-CLOSED": {
    code: "FailedPrecondition",
    hint: "Create a new Host.",
  },
});
