import type { DescMessage } from "@bufbuild/protobuf";
import type { Manifest } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import type { ManifestOptions } from "../plugin/manifest.ts";
import { createManifest } from "../plugin/manifest.ts";
import type { RunningPlugin, StartOptions } from "../plugin/running-plugin.ts";
import { startPlugin } from "../plugin/running-plugin.ts";
import type { StandardRoutes } from "../plugin/service-table.ts";
import { pluginServiceRoutes } from "../services/plugin-service.ts";
import type { StandardService } from "../services/standard-service.ts";

/** Options for starting a plugin with services beside its own. */
export interface StartWithServicesOptions<Config extends DescMessage = DescMessage>
  extends Omit<StartOptions<Config>, "standardRoutes">,
    ManifestOptions {
  /** Served beside the plugin's own services and PluginService. Default: none. */
  readonly services?: readonly StandardService[];
  /** Further routes of the place where it is served. Default: none. */
  readonly routes?: readonly StandardRoutes[];
  /** Aborted when the plugin is told to stop. Default: it never is. */
  readonly draining?: AbortSignal;
}

/**
 * Starts a plugin with its manifest and the standard services. Apart from `preparePlugin`, as a client that calls a plugin
 * in its own process needs no guard, and its bundle none of the code of one.
 * @throws PlugboardError PB-CONFIG-INVALID, PB-PLUGIN-START, PB-PLUGIN-ROUTES
 */
export async function startWithServices<Config extends DescMessage>(
  plugin: Plugin<Config>,
  options: StartWithServicesOptions<Config>,
): Promise<{ readonly running: RunningPlugin; readonly manifest: Manifest }> {
  const { services = [], routes = [], draining = new AbortController().signal } = options;
  const manifest = createManifest(plugin, options);
  const standard = services.map((service) => service.routes({ draining }));
  const standardRoutes = [pluginServiceRoutes(manifest), ...standard, ...routes];
  return { running: await startPlugin(plugin, { ...options, standardRoutes }), manifest };
}
