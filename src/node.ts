/**
 * Plugboard for Node: be a plugin process, launch plugin processes, and connect to them.
 * @module
 */
import { checkNodeVersion } from "./node/check-node-version.ts";

export type { HostOptions } from "./host/host.ts";
export { Host } from "./host/host.ts";
export type { GoPluginHandshake } from "./host/launch-environment.ts";
export type { LoadOptions } from "./host/load-options.ts";
export type { LoadedPlugin } from "./host/loaded-plugin.ts";
export type { OutputLine } from "./host/plugin-output.ts";
export type { ProcessExit } from "./host/plugin-process.ts";
export type { ReattachedPlugin, ReattachOptions } from "./host/reattach.ts";
export type { ReattachTarget, TerraformReattach } from "./host/reattach-target.ts";
export { connect } from "./node/connect.ts";
export type { LogLevel, LogRecord } from "./node/go-plugin/log-record.ts";
export type { RedisClient } from "./node/redis-rate-limit.ts";
export { redisRateLimit } from "./node/redis-rate-limit.ts";
export type { ServeOptions } from "./node/serve.ts";
export { serve } from "./node/serve.ts";
export type { ProxyOptions } from "./node/trusted-proxy.ts";

checkNodeVersion(process.versions.node);
