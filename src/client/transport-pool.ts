import type { Transport } from "@connectrpc/connect";
import { streamExtension } from "../ttrpc/endpoint.ts";
import type { Dialed, Dialer, DialOptions } from "./dialer.ts";
import type { Address } from "./endpoint.ts";
import type { Route } from "./negotiate.ts";

/** Keeps one transport for each dialer and address, from discovery to the end of the connection. */
export interface TransportPool {
  get(route: Route<Dialer>): Transport;
  /** Closes all of them; their calls fail with the reason. */
  close(reason: Error): Promise<void>;
}

/** Makes an empty pool. */
export function createTransportPool(options: DialOptions): TransportPool {
  const dialed = new Map<Dialer, Map<Address, Dialed>>();
  return {
    get({ dialer, endpoint: { address, extensions } }) {
      const ofDialer = dialed.get(dialer) ?? new Map<Address, Dialed>();
      dialed.set(dialer, ofDialer);
      const known = ofDialer.get(address) ?? dialer.dial(address, options);
      ofDialer.set(address, known);
      return (extensions.includes(streamExtension) ? known.extended : undefined) ?? known.transport;
    },
    async close(reason) {
      const open = [...dialed.values()].flatMap((ofDialer) => [...ofDialer.values()]);
      dialed.clear();
      await Promise.allSettled(open.map((each) => each.close(reason)));
    },
  };
}
