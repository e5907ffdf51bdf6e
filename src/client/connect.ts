import type { DescMessage } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import type { AddressTarget, DialableAddress } from "../address/address.ts";
import { parseAddress } from "../address/address.ts";
import { endpointAt } from "../address/endpoint.ts";
import { detectRuntime } from "../address/runtime.ts";
import type { ClientTls } from "../address/tls-options.ts";
import { clientTlsNames } from "../address/tls-options.ts";
import type { PlugboardError } from "../base/errors.ts";
import { printableLine } from "../base/printable.ts";
import type { CallObserver } from "../call/call-observer.ts";
import type { Keepalive } from "../call/time/keepalive.ts";
import { withKeepalive } from "../call/time/keepalive.ts";
import type { Manifest } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";
import type { ConfigInit } from "../plugin/config-json.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { isPlugin } from "../plugin/define-plugin.ts";
import { pluginError } from "../plugin/errors.ts";
import { pickProtocolVersion } from "../plugin/protocol-version.ts";
import type { RunningPlugin } from "../plugin/running-plugin.ts";
import type { StandardService } from "../services/standard-service.ts";
import type { startWithServices } from "../serving/start-with-services.ts";
import type { Connection } from "./connection.ts";
import { createConnection } from "./connection.ts";
import type { Dialer } from "./dialers/dialer.ts";
import { askForToken } from "./dialers/failures/caller-refused.ts";
import { createTransportPool } from "./dialers/transport-pool.ts";
import type { Discovery } from "./discover.ts";
import { discover } from "./discover.ts";
import { clientError } from "./errors.ts";
import type { Offer, Requirements } from "./routes/negotiate.ts";
import { negotiate, requirementNames } from "./routes/negotiate.ts";
import { leadNowhere, unreachable } from "./routes/unreachable.ts";
import type { Token } from "./token.ts";
import { checkMayTakeToken, createTokenSource, sendToken } from "./token.ts";

/**
 * The place of a plugin: the plugin itself, an address, a Worker's service binding, a message port on whose other end
 * it listens, or a carrier of your own that leads to it.
 */
export type Target = Plugin | AddressTarget;

/** Options for `connect`. */
export interface ConnectOptions<Config extends DescMessage = DescMessage> {
  /** Requirements for every route. Default: none. */
  readonly require?: Requirements;
  /** Go on to the next route if one can't be reached. Default: true. */
  readonly fallback?: boolean;
  /**
   * Run around every call of this connection, on the caller's side, and around the question what the plugin is; once,
   * whichever routes a call tries.
   */
  readonly interceptors?: readonly Interceptor[];
  /** Application protocol versions the caller speaks. Default: any. */
  readonly protocolVersions?: readonly number[];
  /**
   * Milliseconds to wait for the first response from each address. Default: 10,000. `connect` waits until every target
   * has responded or failed; one that was not reached by then does not become a route later.
   */
  readonly dialTimeoutMs?: number;
  /**
   * Deadline of each call that has none of its own, in milliseconds, over every route. A call that is to have none says
   * `timeoutMs: 0`. Default: none.
   */
  readonly timeoutMs?: number;
  /** Largest response message accepted from a wire, in bytes. Default: 4 MiB. */
  readonly maxMessageBytes?: number;
  /**
   * Pings that find out that the plugin has vanished without a word, as behind a router that has forgotten the
   * connection: calls in flight then fail with unavailable, and the next one connects anew. They go over ttrpc and
   * HTTP/2. Default: a ping after 30 s of silence, 10 s to respond; to a server without a manifest after five minutes,
   * as others end connections on which more pings come, and while a call is in flight only; over Unix sockets none, as
   * they tell of an end.
   */
  readonly keepalive?: Partial<Keepalive>;
  /** Gives up connecting. Calls have signals of their own. */
  readonly signal?: AbortSignal;
  /**
   * Carries every call to an http: or https: address. Default: the global fetch; with the `connect` of plugboard/node,
   * Node's own HTTP clients. Other addresses have nothing to do with it.
   */
  readonly fetch?: typeof globalThis.fetch;
  /**
   * Speak TLS at tcp: and unix: addresses, and use these certificates there and for https:. Only with the `connect` of
   * plugboard/node; WebSockets and fetch take none. Default: no TLS on sockets, and for https: the roots of the platform.
   */
  readonly tls?: ClientTls;
  /**
   * The caller's token, or a function that gives one for each call, for plugins that are served with `auth`. It goes
   * with every call, and with the request for the manifest, to the targets and to no one else, as `Authorization:
   * Bearer`; also with the request that opens a WebSocket. A call that has an `Authorization` of its own keeps it.
   * Default: none.
   */
  readonly token?: Token;
  /** Configuration of a plugin that is started in this process: a message of its config schema, its fields, or protobuf JSON. */
  readonly config?: ConfigInit<Config>;
  /** `context.env` of a plugin that is started in this process. Default: empty. */
  readonly env?: Readonly<Record<string, unknown>>;
  /**
   * Get to know of every call of a plugin that is started in this process, on the plugin's side: logs, metrics, traces.
   * Default: none.
   */
  readonly observers?: readonly CallObserver[];
  /** Services beside its own of a plugin that is started in this process, such as `health()`. Default: none. */
  readonly services?: readonly StandardService[];
}

/**
 * Connects to a plugin. Given several targets, they are taken as several places where the same plugin is, and the
 * cheapest route over all of them wins; the others are its fallbacks.
 *
 * @throws PlugboardError PB-CONFIG-INVALID, PB-TARGET-UNSUPPORTED, PB-TOKEN-INVALID, PB-TOKEN-INSECURE if the token
 * would go over a network without encryption, PB-CONNECT-UNREACHABLE if no target responds or none fulfils `require`,
 * PB-TLS-* if none can be reached because of TLS, PB-CALLER-REFUSED if a server or a proxy lets in only known callers,
 * PB-CONNECT-VERSION if there is no common application protocol version, or PB-PLUGIN-START if a plugin in this process
 * does not start.
 */
export type Connect = <Config extends DescMessage>(
  target: Plugin<Config> | Target | readonly (Plugin<Config> | Target)[],
  options?: ConnectOptions<Config>,
) => Promise<Connection>;

const optionNames: OptionNames<ConnectOptions> = {
  require: true,
  fallback: true,
  interceptors: true,
  protocolVersions: true,
  dialTimeoutMs: true,
  timeoutMs: true,
  maxMessageBytes: true,
  keepalive: true,
  signal: true,
  fetch: true,
  tls: true,
  token: true,
  config: true,
  env: true,
  observers: true,
  services: true,
};

/**
 * Makes a `connect` that knows the given dialers.
 * @param start Starts a plugin in this process.
 */
export function createConnect(dialers: readonly Dialer[], start: typeof startWithServices): Connect {
  return async function connect(target, options = {}) {
    const { require: requirements = {}, fallback = true, protocolVersions = [], signal, timeoutMs } = options;
    checkOptions<ConnectOptions>("connect()", options, optionNames);
    checkOptions("require", requirements, requirementNames);
    checkOptions<ClientTls>("tls", options.tls, clientTlsNames);
    signal?.throwIfAborted();
    const targets = (Array.isArray(target) ? target : [target]).map(readTarget);
    const { config, env, observers, services } = options;
    if ([config, env, observers, services].some((each) => each !== undefined) && !targets.some(isPlugin)) {
      throw pluginError(
        "PB-CONFIG-INVALID",
        "config, env, observers or services were given, and no target is a plugin in this process",
        { hint: "Configure a plugin where it is served: by serve(), Host.load() or edge(), or by PLUGBOARD_CONFIG." },
      );
    }
    withKeepalive(options.keepalive);
    const runtime = detectRuntime();
    const tls = options.tls !== undefined;
    const token = options.token === undefined ? undefined : createTokenSource(options.token);
    if (token !== undefined) {
      for (const each of targets) {
        if (!isPlugin(each)) {
          checkMayTakeToken(each, tls);
        }
      }
    }
    // The token last, so that none of the caller's own gets to see it.
    const interceptors = [...(options.interceptors ?? []), ...(token ? [sendToken(token)] : [])];
    const pool = createTransportPool({
      maxMessageBytes: options.maxMessageBytes ?? 4 * 1024 * 1024,
      keepalive: options.keepalive,
      ...(options.fetch && { fetch: options.fetch }),
      ...(options.tls && { tls: options.tls }),
      ...(observers && { observers }),
      ...(token && { token }),
    });
    const running: RunningPlugin[] = [];
    const stopAll = async () => {
      await all(running.map((each) => each.stop()));
    };
    const find = async (place: Plugin | DialableAddress): Promise<Discovery> => {
      if (isPlugin(place)) {
        const protocolVersion = commonVersion(place, protocolVersions);
        const { running: started, manifest } = await start(place, {
          protocolVersion,
          ...(config && { config }),
          ...(env && { env }),
          ...(services && { services }),
          ...(signal && { signal }),
        });
        running.push(started);
        return { offers: [memoryOffer(started)], manifest };
      }
      const dialTimeoutMs = options.dialTimeoutMs ?? 10_000;
      const found = { runtime, dialers, requirements, pool, interceptors, protocolVersions, dialTimeoutMs, tls };
      return discover(place, { ...found, ...(signal && { signal }) });
    };
    try {
      const found = await all(targets.map(find));
      const { offers, manifest } = combine(found, protocolVersions);
      const input = { runtime, dialers, offers, requirements, tls };
      const routes = negotiate(input);
      if (leadNowhere(routes)) {
        throw noCommonVersion(manifest, protocolVersions) ?? commonFailure(found) ?? unreachable(input);
      }
      const around = found.some(({ asksWhoCalls }) => asksWhoCalls) ? [...interceptors, askForToken] : interceptors;
      return createConnection({ routes, manifest, pool, fallback, interceptors: around, timeoutMs, onClose: stopAll });
    } catch (error) {
      await pool.close(clientError("PB-CONNECTION-CLOSED", "connecting has failed"));
      // What a stop hook throws would hide why it is stopped.
      await stopAll().catch(() => undefined);
      throw error;
    }
  };
}

/**
 * Waits for all, and fails as the first of them did. Settled, not raced: a target that was started while another failed
 * has to be stopped again.
 */
async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((each) => {
    if (each.status === "rejected") {
      throw each.reason;
    }
    return each.value;
  });
}

function readTarget(target: Target, index: number, targets: readonly Target[]): Plugin | DialableAddress {
  if (isPlugin(target)) {
    return target;
  }
  const address = parseAddress(target);
  return address.carrier === "service-binding" && targets.length > 1
    ? { ...address, text: `service binding ${index + 1}` }
    : address;
}

function memoryOffer({ plugin, table }: RunningPlugin): Offer {
  const address = { carrier: "memory", text: `${plugin.name} in this process`, table } as const;
  return { endpoint: endpointAt("none", address) };
}

function commonVersion(plugin: Plugin, wanted: readonly number[]): number {
  return pickProtocolVersion(plugin.protocolVersions, wanted) ?? Math.min(...plugin.protocolVersions);
}

/** Puts together what was found behind several targets, all of which are to be the same plugin. */
function combine(found: readonly Discovery[], protocolVersions: readonly number[]): Discovery {
  const manifests = found.flatMap(({ manifest }) => manifest ?? []);
  const first = manifests.find((manifest) => speaksOneOf(manifest, protocolVersions)) ?? manifests[0];
  const offers = found.flatMap(({ offers, manifest }) => {
    const refused = manifest && first && unfit(manifest, first, protocolVersions);
    return refused === undefined ? offers : offers.map((offer) => ({ ...offer, refused }));
  });
  return { offers, ...(first && { manifest: first }) };
}

function unfit(manifest: Manifest, first: Manifest, protocolVersions: readonly number[]): string | undefined {
  if (manifest.name !== first.name) {
    return `it is plugin ${manifest.name}, not ${first.name}`;
  }
  return speaksOneOf(manifest, protocolVersions)
    ? undefined
    : `it speaks protocol version ${versionsOf(manifest)}, the caller ${protocolVersions.join(", ")}`;
}

/** If no target could be reached for TLS or for who calls, the first one's reason says more than a list. */
function commonFailure(found: readonly Discovery[]): PlugboardError | undefined {
  return found.every(({ failure }) => failure !== undefined) ? found[0]?.failure : undefined;
}

function versionsOf({ protocolVersions }: Manifest): string {
  return printableLine(protocolVersions.join(", "));
}

function speaksOneOf({ protocolVersion }: Manifest, wanted: readonly number[]): boolean {
  return wanted.length === 0 || wanted.includes(protocolVersion);
}

function noCommonVersion(manifest: Manifest | undefined, wanted: readonly number[]): PlugboardError | undefined {
  return manifest === undefined || speaksOneOf(manifest, wanted)
    ? undefined
    : clientError(
        "PB-CONNECT-VERSION",
        `plugin ${manifest.name} speaks protocol version ${versionsOf(manifest)}, the caller ${wanted.join(", ")}`,
      );
}
