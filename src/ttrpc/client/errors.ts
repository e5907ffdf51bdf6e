import { defineErrors } from "../../base/errors.ts";

/** Errors of calls on their way, over every protocol. */
export const callError = /* @__PURE__ */ defineErrors({
  /**
   * The server refused the call before it began. It was closing the connection, or restarting. A connection makes such a
   * call once more by itself, unless messages of its stream were taken.
   */
  "PB-CALL-REFUSED": {
    code: "Unavailable",
    hint: "Make the call again: it was not carried out.",
  },
  /**
   * The connection broke while a call was in flight. The server crashed or was stopped, or the network failed; or a proxy
   * closed the connection.
   */
  "PB-CONNECTION-LOST": {
    code: "Unavailable",
    hint: "Make the call again only if that does no harm, as it may have been carried out. The next call opens a new connection.",
  },
  /** A message is larger than the route carries. The server's limit, or that of ttrpc without plugboard.chunk.v1, is lower. */
  "PB-MESSAGE-TOO-LARGE": {
    code: "ResourceExhausted",
    hint:
      "Split the message, or raise `limits.maxMessageBytes` where the plugin is served. Over ttrpc, a peer without plugboard.chunk.v1 " +
      'takes at most 4 MiB: serve the plugin over another protocol, too, or choose one by `require`, such as { protocols: ["grpc"] }.',
  },
});
