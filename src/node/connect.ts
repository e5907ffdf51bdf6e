import type { Connect } from "../client/connect.ts";
import { createConnect } from "../client/connect.ts";
import { fetchDialers } from "../client/fetch-dialer.ts";
import { memoryDialer } from "../client/memory-dialer.ts";
import { ttrpcDialers } from "../client/ttrpc-dialers.ts";
import { httpDialers } from "./http-dialers.ts";
import { socketDialers } from "./ttrpc-dialers.ts";

const common = [memoryDialer, ...socketDialers, ...ttrpcDialers];
const byNodesClients = createConnect([
  ...common,
  ...httpDialers,
  ...fetchDialers.filter((dialer) => dialer.carrier === "service-binding"),
]);
const byFetch = createConnect([
  ...common,
  ...httpDialers.filter((dialer) => dialer.carrier !== "http"),
  ...fetchDialers,
]);

/**
 * Connects to a plugin from Node: in this process, at a Unix socket (`unix:/path`), at a TCP address
 * (`tcp:127.0.0.1:4000`), or by http: and https:. Those go through Node's own HTTP clients, or through `options.fetch`
 * if there is one.
 *
 * ```ts
 * await using connection = await connect(["unix:/run/markdown.sock", "https://markdown.example.workers.dev"]);
 * ```
 */
export const connect: Connect = (target, options) =>
  (options?.fetch === undefined ? byNodesClients : byFetch)(target, options);
