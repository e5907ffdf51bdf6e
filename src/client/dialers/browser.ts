import type { Dialer } from "./dialer.ts";
import { fetchDialers } from "./fetch.ts";
import { loadedLater, whenThere } from "./loaded-later.ts";

/**
 * The same ways as those of `portableDialers`. A page downloads what it runs: so only unary calls over Connect are at hand,
 * and the rest is loaded with the first call that needs it.
 */
export const browserDialers: readonly Dialer[] = [
  loadedLater({ protocol: "none", carrier: "memory" }, async () => [(await import("./memory.ts")).memoryDialer]),
  ...fetchDialers({
    connectTransport: (options) =>
      whenThere(async () => (await import("./connect-transports.ts")).connectTransport(options)),
    grpcWebTransport: (options) =>
      whenThere(async () => (await import("./connect-transports.ts")).grpcWebTransport(options)),
  }),
  ...(["message-port", "custom", "websocket"] as const).map((carrier) =>
    loadedLater({ protocol: "ttrpc", carrier }, async () => (await import("./ttrpc.ts")).ttrpcDialers),
  ),
];
