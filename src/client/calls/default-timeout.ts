import type { Transport } from "@connectrpc/connect";

/**
 * Gives calls a deadline that have none of their own. A call that is to have none says 0.
 * @param timeoutMs In milliseconds; undefined, 0 and Infinity: calls wait as long as it takes.
 */
export function withDefaultTimeout(transport: Transport, timeoutMs: number | undefined): Transport {
  if (timeoutMs === undefined) {
    return transport;
  }
  return {
    unary: (method, signal, own = timeoutMs, ...rest) => transport.unary(method, signal, own, ...rest),
    stream: (method, signal, own = timeoutMs, ...rest) => transport.stream(method, signal, own, ...rest),
  };
}
