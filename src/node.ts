/**
 * Plugboard for Node: be a plugin process, launch plugin processes, and connect to them.
 * @module
 */
import { checkNodeVersion } from "./node/check-node-version.ts";

// Connect: from Node, to sockets, too.

export { connect } from "./node/dial/connect.ts";

// Serve: be a plugin process.

export type { MagicCookie } from "./go-plugin/handshake.ts";
export type { ProxyOptions } from "./node/trusted-proxy.ts";
export { serve } from "./plugin-process/serve.ts";
export type { ServeOptions } from "./plugin-process/serve-options.ts";

// Host: launch plugin processes, and reattach to those that run.

export type { GoPluginHandshake } from "./go-plugin/launch-environment.ts";
export type { ProcessExit } from "./host/child/spawn.ts";
export { Host } from "./host/host.ts";
export type { HostOptions, StartRetry } from "./host/host-options.ts";
export type { LoadOptions } from "./host/load-options.ts";
export type { LoadedPlugin } from "./host/loaded-plugin.ts";
export type { ReattachedPlugin, ReattachOptions } from "./host/reattach.ts";
export type { ReattachTarget, TerraformReattach } from "./host/reattach-target.ts";

// Observe: what Plugboard logs, and what plugins print and log.

export type { LogLevel } from "./base/log.ts";
export type { HclogLevel, LogRecord } from "./go-plugin/hclog/record.ts";
export type { OutputLine, OutputListeners } from "./go-plugin/plugin-output.ts";

checkNodeVersion(process.versions.node);
