import * as os from "node:os";
import * as path from "node:path";
import type { DescMessage } from "@bufbuild/protobuf";
import type { Log } from "../base/log.ts";
import { publicLimits, trustedLimits } from "../call/call-policy.ts";
import { keepaliveOn, withKeepalive } from "../call/time/keepalive.ts";
import type { GoPluginServices } from "../go-plugin/plugin-services.ts";
import type { ListenAddress } from "../node/listen/listen-address.ts";
import { isOnNetwork, listenerEndpoints } from "../node/listen/listen-address.ts";
import { listen } from "../node/listen/listener.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { health } from "../services/health-service.ts";
import { reflection } from "../services/reflection-service.ts";
import { preparePlugin } from "../serving/prepare-plugin.ts";
import type { GuardedPlace } from "./choose-place.ts";
import type { Launch } from "./launch.ts";
import type { Lifetime } from "./lifetime.ts";
import type { Start } from "./read-start.ts";
import type { ServeOptions } from "./serve-options.ts";

/** A plugin that is served. */
export interface Served {
  /** The address that it listens on; for tcp with the port that was chosen. */
  readonly address: ListenAddress;
  /** The services for a host written with go-plugin, beside the plugin's own. */
  readonly goPlugin: Partial<GoPluginServices>;
}

/**
 * Starts the plugin and listens. From then on the lifetime ends it.
 * @throws PlugboardError PB-PLUGIN-*, PB-LISTEN-FAILED, PB-LIMIT-INVALID, PB-RATE-LIMIT-*
 */
export async function startServing<Config extends DescMessage>(
  plugin: Plugin<Config>,
  { launch, settings, env, config }: Start<Config>,
  place: GuardedPlace,
  lifetime: Lifetime,
  options: ServeOptions<Config>,
  log: Log,
): Promise<Served> {
  const { address, tls, proxy, hostAlone, isPublic } = place;
  const { draining, end } = lifetime;
  let goPlugin: Partial<GoPluginServices> = {};
  const limitProcess = settings.PLUGIN_RATE_LIMIT_ENABLED
    ? (await import("./process-rate-limit.ts")).limitProcess
    : undefined;
  const { running, policy } = await preparePlugin(
    plugin,
    { ...options, config },
    {
      env,
      defaultLimits: isPublic ? publicLimits : trustedLimits,
      endpoints: listenerEndpoints(address, tls !== undefined),
      trusted: hostAlone,
      onNetwork: isOnNetwork(address),
      protocolVersion: launch.kind === "hosted" ? launch.protocolVersion : Math.max(...plugin.protocolVersions),
      gate: limitProcess && ((isOwn) => limitProcess(settings, isOwn)),
      defaultServices: [
        ...(settings.PLUGIN_HEALTH_SERVICE_ENABLED ? [health()] : []),
        ...(isPublic ? [] : [reflection()]),
      ],
      log,
      draining,
      async beside({ maxMessageBytes }) {
        const guarded = options.auth !== undefined;
        goPlugin = await goPluginServicesFor(plugin, launch, place, lifetime, { guarded, maxMessageBytes, log });
        const { routes = [], broker } = goPlugin;
        return { routes, broker };
      },
    },
  );
  const listener = await listen(running, address, {
    policy,
    origins: options.origins ?? [],
    keepalive: withKeepalive(options.keepalive, keepaliveOn(address.carrier)),
    ...(options.idleConnectionMs !== undefined && { idleConnectionMs: options.idleConnectionMs }),
    ...(options.maxConnections !== undefined && { maxConnections: options.maxConnections }),
    hsts: options.hsts,
    ...(options.hosts && { hosts: options.hosts }),
    ...(proxy && { proxy }),
    ...(goPlugin.multiplexer && { multiplexing: goPlugin.multiplexer }),
    ...(tls && { tls: tls.server, onRefused: tls.onRefused }),
  }).catch(async (error: unknown) => {
    await running.stop();
    throw error;
  });
  place.share();
  lifetime.serves({
    async drain(graceMs) {
      await Promise.all([goPlugin.endStreams?.(), listener.drain(graceMs)]);
      await goPlugin.close?.();
    },
    stop: () => running.stop(),
  });
  // There will be no other connection to the host.
  const hostGone = () => end(0);
  goPlugin.multiplexer?.ended.then(hostGone, hostGone);
  return { address: listener.address, goPlugin };
}

/** The services that a host written with go-plugin expects beside the plugin's own; one of ours does without. */
async function goPluginServicesFor(
  { name }: Plugin,
  launch: Launch,
  { address, shareOther, tls }: GuardedPlace,
  { end }: Lifetime,
  { guarded, maxMessageBytes, log }: { readonly guarded: boolean; readonly maxMessageBytes: number; readonly log: Log },
): Promise<Partial<GoPluginServices>> {
  if (launch.kind === "hosted" && launch.host === "go-plugin") {
    const { createGoPluginServices } = await import("../go-plugin/plugin-services.ts");
    return createGoPluginServices({
      name,
      end,
      socketDirectory: address.carrier === "unix" ? path.dirname(address.path) : os.tmpdir(),
      shareSocket: shareOther,
      maxMessageBytes,
      log,
      multiplex: launch.multiplex === "wanted",
      ...(tls && { secure: tls.secure }),
    });
  }
  if (launch.kind === "standalone" && launch.listenAt.carrier === "unix" && !guarded) {
    // A host that attaches itself wants to be able to end the plugin. Callers with a token are no hosts.
    const { controllerRoutes } = await import("../go-plugin/controller.ts");
    return { routes: [controllerRoutes(end)] };
  }
  return {};
}
