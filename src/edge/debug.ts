import type { Answer } from "../call/refuse-request.ts";
import type { StandardRoutes } from "../plugin/service-table.ts";
import { reflectionRoutes } from "../services/reflection-service.ts";
import { consolePage, consolePolicy } from "./console-page.ts";

/** What helps to find out what a Worker can do, and why it does not. */
export interface DebugTools {
  /** Makes what is served beside the plugin's own services; anew for each start. */
  readonly routes: () => readonly StandardRoutes[];
  /** Answers browsers that ask for the page itself. */
  readonly page: () => Answer;
}

/**
 * Lets callers ask what there is to call (server reflection, grpc.reflection.v1 and v1alpha), browsers try it on a page at
 * the root, and tells callers what goes wrong in handlers. It tells strangers as much as you: for development.
 *
 * ```ts
 * import { debug, edge } from "plugboard/edge";
 *
 * export default edge(plugin, { debug });
 * ```
 *
 * A value and no flag: a Worker that does not import it has none of its code.
 */
export const debug: DebugTools = {
  routes: () => [reflectionRoutes()],
  page() {
    const nonce = crypto.randomUUID();
    const headers = { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": consolePolicy(nonce) };
    return { status: 200, headers, body: consolePage(nonce) };
  },
};
