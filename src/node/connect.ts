import { createConnect } from "../client/connect.ts";
import { fetchDialers } from "../client/fetch-dialer.ts";
import { memoryDialer } from "../client/memory-dialer.ts";
import { httpDialers } from "./http-dialers.ts";

/**
 * Connects to a plugin from Node: in this process, at a Unix socket (`unix:/path`), at a TCP address
 * (`tcp:127.0.0.1:4000`), or by http: and https:.
 *
 * ```ts
 * await using connection = await connect(["unix:/run/markdown.sock", "https://markdown.example.workers.dev"]);
 * ```
 */
export const connect = createConnect([
  memoryDialer,
  ...httpDialers,
  ...fetchDialers.filter((dialer) => dialer.carrier === "service-binding"),
]);
