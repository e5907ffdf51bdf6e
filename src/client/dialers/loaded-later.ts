import type { Transport } from "@connectrpc/connect";
import type { Dialed, Dialer } from "./dialer.ts";
import { dialFailed } from "./dialer.ts";

/**
 * A dialer whose code is loaded with the first call that goes its way.
 * @param load Loads dialers, of which it is one.
 */
export function loadedLater(way: Pick<Dialer, "protocol" | "carrier">, load: () => Promise<readonly Dialer[]>): Dialer {
  const loadDialer = async () => {
    const found = (await load()).find(({ protocol, carrier }) => protocol === way.protocol && carrier === way.carrier);
    if (found === undefined) {
      throw new TypeError(`there is no dialer of ${way.protocol} on ${way.carrier}`);
    }
    return found;
  };
  return {
    ...way,
    dial(address, options) {
      let dialing: Promise<Dialed> | undefined;
      let closed: Error | undefined;
      const start = async (): Promise<Dialed> => {
        let dialer: Dialer;
        try {
          dialer = await loadDialer();
        } catch (error) {
          // The next call tries again.
          dialing = undefined;
          throw dialFailed(address, error);
        }
        if (closed !== undefined) {
          throw closed;
        }
        return dialer.dial(address, options);
      };
      const dialed = () => {
        dialing ??= start();
        return dialing;
      };
      return {
        transport: whenThere(async () => (await dialed()).transport),
        knowing: (endpoint) =>
          whenThere(async () => {
            const opened = await dialed();
            return opened.knowing?.(endpoint) ?? opened.transport;
          }),
        async close(reason) {
          closed = reason;
          const opened = await dialing?.catch(() => undefined);
          await opened?.close(reason);
        },
      };
    },
  };
}

/** A transport that is there when a call needs it. */
export function whenThere(get: () => Promise<Transport>): Transport {
  return {
    async unary(...call) {
      return (await get()).unary(...call);
    },
    async stream(...call) {
      return (await get()).stream(...call);
    },
  };
}
