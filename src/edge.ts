/**
 * Plugboard for Workers: be a plugin at the edge.
 * @module
 */
export type { EdgeEnv } from "./edge/edge.ts";
export { edge } from "./edge/edge.ts";
export type { EdgeOptions } from "./edge/edge-options.ts";
