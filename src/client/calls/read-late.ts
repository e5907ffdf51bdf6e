import type { Transport } from "@connectrpc/connect";

/**
 * Lets a stream that fails be read late, or never. Connect's clients begin a call at once, and look at what has become of
 * it when the stream is read; until then, a failure would be an unhandled rejection, by which Node ends a process.
 */
export function readLate(transport: Transport): Transport {
  return {
    unary: transport.unary,
    stream(...call) {
      const response = transport.stream(...call);
      response.catch(() => undefined);
      return response;
    },
  };
}
