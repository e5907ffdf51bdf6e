import type { ServerTls } from "../address/tls-options.ts";
import type { Log } from "../base/log.ts";
import type { PluginSettings } from "../go-plugin/settings/read.ts";
import type { PluginTls } from "../go-plugin/tls/plugin-tls.ts";
import { checkExposure } from "../node/listen/listen-address.ts";
import type { TrustedProxy } from "../node/trusted-proxy.ts";
import { trustProxy } from "../node/trusted-proxy.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { checkServed } from "../serving/prepare-plugin.ts";
import type { Launch } from "./launch.ts";
import type { ServeOptions } from "./serve-options.ts";
import type { SocketPlace } from "./socket-place.ts";
import { placeFor } from "./socket-place.ts";

/** The place where a plugin listens, and its callers. */
export interface GuardedPlace extends SocketPlace {
  readonly tls: PluginTls | undefined;
  readonly proxy: TrustedProxy | undefined;
  /** True if the host alone can call. */
  readonly hostAlone: boolean;
  /** True if strangers can: it stands alone on TCP. */
  readonly isPublic: boolean;
}

/**
 * Chooses where to listen, and refuses a place that is open to more callers than the plugin is guarded against.
 * @throws PlugboardError PB-TLS-*, PB-SOCKET-*, PB-ACCESS-*, PB-HOST-INVALID, PB-ORIGIN-INVALID, PB-PROXY-INVALID, PB-LISTEN-INSECURE
 */
export async function choosePlace(
  plugin: Plugin,
  launch: Launch,
  settings: PluginSettings,
  options: ServeOptions,
  log: Log,
): Promise<GuardedPlace> {
  const { auth, behindProxy } = options;
  const hosted = launch.kind === "hosted";
  const tls = await tlsFor(options.tls, settings, hosted, log);
  const hostAlone = isHostAlone(launch, tls?.certificate);
  checkServed(plugin, options, hostAlone);
  const proxy = behindProxy && trustProxy(behindProxy);
  const place = placeFor(launch);
  const { address } = place;
  checkExposure(address, tls?.server, { hosted, guarded: auth !== undefined, proxied: proxy !== undefined });
  return { ...place, tls, proxy, hostAlone, isPublic: !hosted && address.carrier === "tcp" };
}

/**
 * True if the host alone can call: at the socket in its own directory, or with the certificate that it has made for
 * this start. At an endpoint of the plugin's own, or as a member of a group, others can, too.
 */
function isHostAlone(launch: Launch, madeForHost: string | undefined): boolean {
  return (
    launch.kind === "hosted" && (!!madeForHost || (launch.listenAt === undefined && launch.socketGroup === undefined))
  );
}

async function tlsFor(given: ServerTls | undefined, settings: PluginSettings, hosted: boolean, log: Log) {
  const { PLUGIN_SERVER_CERT, PLUGIN_SERVER_KEY, PLUGIN_CLIENT_ROOT_CERTS, PLUGIN_CLIENT_CERT } = settings;
  const ofServer = [given, PLUGIN_SERVER_CERT, PLUGIN_SERVER_KEY, PLUGIN_CLIENT_ROOT_CERTS];
  if (ofServer.every((each) => each === undefined) && !(hosted && PLUGIN_CLIENT_CERT !== undefined)) {
    return undefined;
  }
  const { pluginTls } = await import("../go-plugin/tls/plugin-tls.ts");
  return pluginTls(given, settings, hosted, log);
}
