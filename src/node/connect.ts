import type { Connect } from "../client/connect.ts";
import { createConnect } from "../client/connect.ts";
import { fetchDialers } from "../client/fetch-dialer.ts";
import { memoryDialer } from "../client/memory-dialer.ts";
import { ttrpcDialers } from "../client/ttrpc-dialers.ts";
import { socketDialers } from "./ttrpc-dialers.ts";

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
  const { httpDialers } = await import("./http-dialers.ts");
  const byFetch = options?.fetch !== undefined;
  const dial = createConnect([
    memoryDialer,
    ...socketDialers,
    ...ttrpcDialers,
    ...httpDialers.filter(({ carrier }) => carrier !== "http" || !byFetch),
    ...fetchDialers.filter(({ carrier }) => carrier === "service-binding" || byFetch),
  ]);
  return dial(target, options);
};
