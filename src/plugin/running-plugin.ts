import type { DescMessage } from "@bufbuild/protobuf";
import { untilAborted } from "../base/async/until-aborted.ts";
import type { Broker } from "./broker.ts";
import { readConfig } from "./config.ts";
import type { ConfigInit } from "./config-json.ts";
import type { Plugin } from "./define-plugin.ts";
import { pluginError } from "./errors.ts";
import type { Routes, ServiceTable, StandardRoutes } from "./service-table.ts";
import { createServiceTable } from "./service-table.ts";

/** Options for starting a plugin. */
export interface StartOptions<Config extends DescMessage = DescMessage> {
  /** The configuration; unset fields have protobuf's defaults. */
  readonly config?: ConfigInit<Config>;
  /** The plugin's `context.env`. Default: empty. */
  readonly env?: Readonly<Record<string, unknown>>;
  /** The application protocol's version that was agreed on. Default: the plugin's highest. */
  readonly protocolVersion?: number;
  /** The plugin's `context.broker`. */
  readonly broker?: Broker;
  /** Gives up starting. */
  readonly signal?: AbortSignal;
  /** Services beside the plugin's own. A service that the plugin registers itself is left out. */
  readonly standardRoutes?: readonly StandardRoutes[];
}

/** A plugin that has been started. */
export interface RunningPlugin extends AsyncDisposable {
  readonly plugin: Plugin;
  /** The methods that can be called. */
  readonly table: ServiceTable;
  /** Aborts `context.signal`, then runs the plugin's stop hook. Further calls return the first one's promise. */
  stop(): Promise<void>;
}

/**
 * Starts a plugin: runs its start hook, then registers its handlers.
 * @throws PlugboardError PB-CONFIG-INVALID, PB-PLUGIN-START if the hook throws, PB-PLUGIN-ROUTES if `routes` does.
 */
export async function startPlugin<Config extends DescMessage>(
  plugin: Plugin<Config>,
  options: StartOptions<Config> = {},
): Promise<RunningPlugin> {
  const stopping = new AbortController();
  const { protocolVersion = Math.max(...plugin.protocolVersions), broker } = options;
  const context = {
    config: readConfig(plugin.config, options.config ?? {}),
    env: options.env ?? {},
    protocolVersion,
    ...(broker && { broker }),
    signal: stopping.signal,
    state: undefined as unknown,
  };
  const abort = () => stopping.abort(new Error(`plugin ${plugin.name} is stopping`));
  let stopped: Promise<void> | undefined;
  const stop = () => {
    abort();
    stopped ??= (async () => plugin.stop?.(context))();
    return stopped;
  };
  const started = (async () => {
    context.state = await plugin.start?.(context);
  })();
  try {
    await (options.signal === undefined ? started : untilAborted(options.signal, started));
  } catch (cause) {
    abort();
    // Given up, but not over: if it succeeds later, what it opened has to be closed. Its errors are dropped.
    started.then(stop).catch(() => undefined);
    options.signal?.throwIfAborted();
    throw pluginError("PB-PLUGIN-START", `plugin ${plugin.name} did not start: ${String(cause)}`, { cause });
  }
  let table: ServiceTable;
  try {
    const own: Routes = (router) => plugin.routes(router, context);
    table = createServiceTable([own], plugin.interceptors, options.standardRoutes);
  } catch (cause) {
    // What it throws would hide why it is stopped.
    await stop().catch(() => undefined);
    throw pluginError("PB-PLUGIN-ROUTES", `routes() of plugin ${plugin.name} threw ${String(cause)}`, { cause });
  }
  return { plugin, table, stop, [Symbol.asyncDispose]: stop };
}
