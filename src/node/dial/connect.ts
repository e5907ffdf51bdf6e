import { parseAddress } from "../../address/address.ts";
import type { Connect } from "../../client/connect.ts";
import { createConnect } from "../../client/connect.ts";
import * as transports from "../../client/dialers/connect-transports.ts";
import { fetchDialers } from "../../client/dialers/fetch.ts";
import { memoryDialer } from "../../client/dialers/memory.ts";
import { ttrpcDialers } from "../../client/dialers/ttrpc.ts";
import { startWithServices } from "../../serving/start-with-services.ts";
import { socketDialers } from "./ttrpc.ts";

/**
 * Connects to a plugin from Node: in this process, at a Unix socket (`unix:/path`), at a TCP address
 * (`tcp:127.0.0.1:4000`), or by http: and https:. Those go through Node's own HTTP clients, or through `options.fetch`
 * if there is one.
 *
 * ```ts
 * await using connection = await connect(["unix:/run/markdown.sock", "https://markdown.example.workers.dev"]);
 * ```
 */
export const connect: Connect = async (target, options) => {
  // Loaded here, as a plugin process imports this module, too, and most never connect to anything.
  const [{ httpDialers }, { webSocketDialer }, { checkOwner }] = await Promise.all([
    import("./http.ts"),
    import("./websocket.ts"),
    import("./guard-token.ts"),
  ]);
  if (options?.token !== undefined) {
    // Told here, too, as what a route fails with is told as one reason of several.
    for (const each of [target].flat()) {
      const place = /^unix:/i.test(String(each)) ? parseAddress(String(each)) : undefined;
      if (place?.carrier === "unix") {
        checkOwner(place.path);
      }
    }
  }
  const byFetch = options?.fetch !== undefined;
  const dialers = [
    memoryDialer,
    ...socketDialers,
    ...ttrpcDialers.filter(({ carrier }) => carrier !== "websocket"),
    webSocketDialer,
    ...httpDialers.filter(({ carrier }) => carrier !== "http" || !byFetch),
    ...fetchDialers(transports).filter(({ carrier }) => carrier === "service-binding" || byFetch),
  ];
  return createConnect(dialers, startWithServices)(target, options);
};
