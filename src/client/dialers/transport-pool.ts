import type { Transport } from "@connectrpc/connect";
import type { Address } from "../../address/endpoint.ts";
import { clientError } from "../errors.ts";
import type { Route } from "../routes/negotiate.ts";
import type { Dialed, Dialer, DialOptions } from "./dialer.ts";

/** Keeps one transport for each dialer and address, from discovery to the end of the connection. */
export interface TransportPool {
  get(route: Route<Dialer>): Transport;
  /** Closes that of a route on which no call is; the next `get` dials anew. */
  drop(route: Route<Dialer>): Promise<void>;
  /** Closes all of them; their calls fail with the reason. */
  close(reason: Error): Promise<void>;
}

/** Makes an empty pool. */
export function createTransportPool(options: DialOptions): TransportPool {
  const dialed = new Map<Dialer, Map<Address, Dialed>>();
  const transports = new Map<Route<Dialer>, Transport>();

  function dial({ dialer, endpoint }: Route<Dialer>): Transport {
    const { address } = endpoint;
    const ofDialer = dialed.get(dialer) ?? new Map<Address, Dialed>();
    dialed.set(dialer, ofDialer);
    const known = ofDialer.get(address) ?? dialer.dial(address, options);
    ofDialer.set(address, known);
    return known.knowing?.(endpoint) ?? known.transport;
  }

  return {
    get(route) {
      const transport = transports.get(route) ?? dial(route);
      transports.set(route, transport);
      return transport;
    },
    async drop({ dialer, endpoint: { address } }) {
      for (const route of transports.keys()) {
        if (route.dialer === dialer && route.endpoint.address === address) {
          transports.delete(route);
        }
      }
      const ofDialer = dialed.get(dialer);
      const known = ofDialer?.get(address);
      ofDialer?.delete(address);
      await known?.close(clientError("PB-CONNECTION-CLOSED", "this connection was only for reading the manifest"));
    },
    async close(reason) {
      const open = [...dialed.values()].flatMap((ofDialer) => [...ofDialer.values()]);
      dialed.clear();
      transports.clear();
      await Promise.allSettled(open.map((each) => each.close(reason)));
    },
  };
}
