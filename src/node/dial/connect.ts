import type { Connect } from "../../client/connect.ts";

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
  const { dialFromNode } = await import("./dial-from-node.ts");
  return await dialFromNode(target, options);
};
