import { parseAddress } from "../../address/address.ts";
import type { Connect } from "../../client/connect.ts";
import { createConnect } from "../../client/connect.ts";
import * as transports from "../../client/dialers/connect-transports.ts";
import { fetchDialers } from "../../client/dialers/fetch.ts";
import { memoryDialer } from "../../client/dialers/memory.ts";
import { ttrpcDialers } from "../../client/dialers/ttrpc.ts";
import { startWithServices } from "../../serving/start-with-services.ts";
import { checkOwner } from "./guard-token.ts";
import { httpDialers } from "./http.ts";
import { socketDialers } from "./ttrpc.ts";
import { webSocketDialer } from "./websocket.ts";

/** `connect` of plugboard/node. */
export const dialFromNode: Connect = async (target, options) => {
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
