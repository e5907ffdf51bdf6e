import { defineErrors } from "../../base/errors.ts";

/** Errors of the broker. */
export const brokerError = /* @__PURE__ */ defineErrors({
  /** The other side did not respond to a dial in time. It does not serve under this id, or the id was dialed before. */
  "PB-BROKER-TIMEOUT": {
    code: "DeadlineExceeded",
    hint:
      "Check that the other side serves under this id, and that it was not dialed before: without multiplexing each id " +
      "can be dialed once.",
  },
  /** The other side refuses the id. It has stopped serving under it, or never did. */
  "PB-BROKER-REFUSED": {
    code: "Unavailable",
    hint: "Check that the other side still serves under this id.",
  },
  /** The broker was pointed to an address that it does not dial. The other side listens beyond this machine. */
  "PB-BROKER-ADDRESS": {
    code: "PermissionDenied",
    hint: "Let the other side listen on a Unix socket, or on TCP at the loopback interface.",
  },
  /** The number that was dialed is not an id of the broker. Ids are whole numbers from 1 to 4294967295. */
  "PB-BROKER-ID": {
    code: "InvalidArgument",
    hint: "Dial the id that the other side's serve() returned, a whole number from 1.",
  },
  /** The broker can't serve more ids, or the other side reads none of its messages. Ids are served that nothing uses any more. */
  "PB-BROKER-LIMIT": {
    code: "ResourceExhausted",
    hint: "Close servers of the broker that are no longer needed.",
  },
  /** The broker is closed. Its plugin has ended, its host has closed it, or their stream broke. */
  "PB-BROKER-CLOSED": {
    code: "Unavailable",
    hint: "Start the plugin again: a broker ends with its plugin and its host.",
  },
  /** The plugin has no broker. It is not made with go-plugin, or does not serve plugin.GRPCBroker. */
  "PB-BROKER-MISSING": {
    code: "Unimplemented",
    hint: "Use a plugin that serves plugin.GRPCBroker, as those of go-plugin do.",
  },
});
