/**
 * Plugboard for Workers: be a plugin at the edge.
 * @module
 */

// Serve: be a Worker.

export type { EdgeEnv } from "./edge/edge.ts";
export { edge } from "./edge/edge.ts";
export type { EdgeOptions, WebSockets } from "./edge/edge-options.ts";
export { webSockets } from "./edge/websocket.ts";

// Serve beside a plugin's own services.

export { debugPage } from "./edge/debug-page.ts";

// Guard: how often callers may call, as a binding of the Worker counts it.

export type { BindingRateLimitOptions } from "./edge/rate-limit.ts";
export { bindingRateLimit } from "./edge/rate-limit.ts";
