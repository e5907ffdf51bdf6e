import type { StandardService } from "../services/standard-service.ts";
import { consolePage, consolePolicy } from "./console-page.ts";

/**
 * A page at the root of a Worker on which a person lists and tries the methods of its plugin, for development.
 *
 * ```ts
 * export default edge(plugin, { services: [health(), reflection(), debugPage()], revealErrors: true });
 * ```
 *
 * A value and no flag: a Worker that does not import it has none of its code.
 */
export function debugPage(): StandardService {
  return {
    routes: () => () => undefined,
    page() {
      const nonce = crypto.randomUUID();
      const headers = { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": consolePolicy(nonce) };
      return { status: 200, headers, body: consolePage(nonce) };
    },
  };
}
