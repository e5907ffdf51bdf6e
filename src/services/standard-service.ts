import type { PlainResponse } from "../call/refuse-request.ts";
import type { StandardRoutes } from "../plugin/service-table.ts";

/** The plugin that a standard service is served with. */
export interface ServiceContext {
  /** Aborted when the plugin is told to stop. A Worker never is. */
  readonly draining: AbortSignal;
}

/** A service that can be served beside a plugin's own, whatever those are: made by `health()`, `reflection()` and others. */
export interface StandardService {
  /** Makes what registers it; anew for each start. Where the plugin registers that service itself, its own counts. */
  routes(context: ServiceContext): StandardRoutes;
  /** At the edge: the response to browsers that ask for a page at the root. Default: none. */
  page?(): PlainResponse;
}
