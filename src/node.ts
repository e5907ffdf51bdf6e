/**
 * Plugboard for Node: be a plugin process, launch plugin processes, and connect to them.
 * @module
 */
export type { HostOptions, LoadedPlugin, LoadOptions } from "./host/host.ts";
export { Host } from "./host/host.ts";
export type { OutputLine, ProcessExit } from "./host/plugin-process.ts";
export { connect } from "./node/connect.ts";
export type { ServeOptions } from "./node/serve.ts";
export { serve } from "./node/serve.ts";
