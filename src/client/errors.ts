import { defineErrors } from "../base/errors.ts";

/** The hint for a server that can't be reached. */
export const unreachableHint = "Check that the plugin runs and that the address is right.";

/** Errors of connecting to a plugin. */
export const clientError = /* @__PURE__ */ defineErrors({
  /** None of the targets given to connect() leads to the plugin. The message lists why each was passed over. */
  "PB-CONNECT-UNREACHABLE": {
    code: "Unavailable",
    hint: unreachableHint,
  },
  /** Plugin and caller share no protocol version. One of them is older than the other. */
  "PB-CONNECT-VERSION": {
    code: "FailedPrecondition",
    hint: "Update the older side, or allow one of the versions that the plugin speaks in `protocolVersions`.",
  },
  /** A call was made on a connection that is closed. Most often `await using` ended, or close() was called, before the call. */
  "PB-CONNECTION-CLOSED": {
    code: "Canceled",
    hint: "Open a new connection with connect(). If this one was not meant to be closed, await the call before `await using` ends.",
  },
  /** The address can't be dialed. Nothing listens there, or it did not respond in time; no part of the call was sent. */
  "PB-DIAL-FAILED": {
    code: "Unavailable",
    hint: unreachableHint,
  },
  /** No route carries this kind of method. HTTP/1.1 carries no bidirectional streams, for instance; another carrier would. */
  "PB-ROUTE-NONE": {
    code: "Unimplemented",
    hint: "Read connection.routes: it lists the endpoints that were passed over, and why.",
  },
  /** The `token` given to connect() can't be sent. It is empty or too long, or has characters that no header carries. */
  "PB-TOKEN-INVALID": {
    code: "InvalidArgument",
    hint: 'Give connect() the token alone, without "Bearer", spaces or line ends; or a function that returns it.',
  },
  /** The token would be sent without encryption, or to a socket of another user. Others could read it and use it. */
  "PB-TOKEN-INSECURE": {
    code: "FailedPrecondition",
    hint: "Use https: or wss:, or TLS by the option `tls`.",
  },
  /** The server does not accept the caller. It requires a token, and got none or one that it does not take. */
  "PB-CALLER-REFUSED": {
    code: "Unauthenticated",
    hint: "Give connect(), or host.load(), a `token` that the server accepts.",
  },
});
