/**
 * Plugboard for Workers: be a plugin at the edge.
 * @module
 */

export { debugPage } from "./edge/debug-page.ts";
export type { EdgeEnv } from "./edge/edge.ts";
export { edge } from "./edge/edge.ts";
export type { EdgeOptions } from "./edge/edge-options.ts";
export type { BindingRateLimitOptions } from "./edge/rate-limit.ts";
export { bindingRateLimit } from "./edge/rate-limit.ts";
