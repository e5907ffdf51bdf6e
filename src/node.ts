/**
 * Plugboard for Node: be a plugin process, launch plugin processes, and connect to them.
 * @module
 */
import { checkNodeVersion } from "./node/check-node-version.ts";

export type { LogLevel } from "./base/log.ts";
export type { MagicCookie } from "./go-plugin/handshake.ts";
export type { HclogLevel, LogRecord } from "./go-plugin/hclog/record.ts";
export type { GoPluginHandshake } from "./go-plugin/launch-environment.ts";
export type { OutputLine, OutputListeners } from "./go-plugin/plugin-output.ts";
export type { ProcessExit } from "./host/child/spawn.ts";
export { Host } from "./host/host.ts";
export type { HostOptions, StartRetry } from "./host/host-options.ts";
export type { LoadOptions } from "./host/load-options.ts";
export type { LoadedPlugin } from "./host/loaded-plugin.ts";
export type { ReattachedPlugin, ReattachOptions } from "./host/reattach.ts";
export type { ReattachTarget, TerraformReattach } from "./host/reattach-target.ts";
export { connect } from "./node/dial/connect.ts";
export type { ProxyOptions } from "./node/trusted-proxy.ts";
export { serve } from "./plugin-process/serve.ts";
export type { ServeOptions } from "./plugin-process/serve-options.ts";

checkNodeVersion(process.versions.node);
