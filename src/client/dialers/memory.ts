import { defaultLog } from "../../base/log.ts";
import { joinObservers } from "../../call/call-observer.ts";
import { createMemoryTransport } from "../../memory/memory-transport.ts";
import type { Dialer } from "./dialer.ts";

/** Milliseconds that handlers may take to end when their calls have been ended, as in a plugin process. */
const gracePeriodMs = 5_000;

/** Calls a plugin in the same process, straight from its service table. */
export const memoryDialer: Dialer = {
  protocol: "none",
  carrier: "memory",
  dial(address, { observers = [] }) {
    if (address.carrier !== "memory") {
      throw new TypeError(`${address.text} is not a plugin in this process`);
    }
    return createMemoryTransport(address.table, gracePeriodMs, joinObservers(observers, defaultLog));
  },
};
