import { createMemoryTransport } from "../rpc/memory-transport.ts";
import type { Dialer } from "./dialer.ts";

/** Calls a plugin in the same process, straight from its service table. */
export const memoryDialer: Dialer = {
  protocol: "none",
  carrier: "memory",
  dial(address, { interceptors }) {
    if (address.carrier !== "memory") {
      throw new TypeError(`not in this process: ${address.text}`);
    }
    return { transport: createMemoryTransport(address.table, { interceptors }), close() {} };
  },
};
