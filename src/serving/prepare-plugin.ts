import type { DescMessage, DescService, MessageInitShape } from "@bufbuild/protobuf";
import type { Log } from "../base/log.ts";
import { defaultLog } from "../base/log.ts";
import type { CallLimits, CallPolicy } from "../call/call-policy.ts";
import { announcedLimits } from "../call/call-policy.ts";
import type { RequestGate } from "../call/request-gate.ts";
import type { EndpointSchema } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { checkOrigins } from "../http/check-origins.ts";
import { checkHosts } from "../http/hosts.ts";
import type { Broker } from "../plugin/broker.ts";
import type { ConfigInit } from "../plugin/config-json.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import type { RunningPlugin } from "../plugin/running-plugin.ts";
import type { StandardRoutes } from "../plugin/service-table.ts";
import { checkAccessRules } from "../policy/auth/access-rule.ts";
import type { PolicyOptions } from "../policy/create-call-policy.ts";
import { createCallPolicy } from "../policy/create-call-policy.ts";
import { insecureCombinations } from "../policy/insecure-combinations.ts";
import type { StandardService } from "../services/standard-service.ts";
import { startWithServices } from "./start-with-services.ts";

/** Options for serving a plugin anywhere; each place offers those that have a meaning there. */
export interface PrepareOptions<Config extends DescMessage = DescMessage> extends PolicyOptions {
  /** The configuration of the plugin. */
  readonly config?: ConfigInit<Config> | undefined;
  /** Origins whose pages may call. */
  readonly origins?: readonly string[];
  /** Hosts that requests may be for. */
  readonly hosts?: readonly string[];
  /** Services beside the plugin's own and PluginService. */
  readonly services?: readonly StandardService[];
}

/** A place where a plugin is served, and what follows from it. */
export interface Place {
  /** The plugin's `context.env`, in which a rate limit finds its binding, too. */
  readonly env: Readonly<Record<string, unknown>>;
  /** The limits that hold unless the options have others. */
  readonly defaultLimits: CallLimits;
  /** Endpoints where the plugin can be reached, for its manifest. */
  readonly endpoints: readonly MessageInitShape<typeof EndpointSchema>[];
  /** The callers are the plugin's own host, and need not say who they are. Default: false. */
  readonly trusted?: boolean;
  /** It listens on the network by itself. Default: false. */
  readonly onNetwork?: boolean;
  /** The application protocol's version that was agreed on. Default: the plugin's highest. */
  readonly protocolVersion?: number;
  /**
   * A further gate of each call, before its caller's rate is counted. It is told which services are the plugin's own.
   */
  readonly gate?: ((isOwn: (service: DescService) => boolean) => RequestGate) | undefined;
  /** Services beside the plugin's own, unless the options have others. */
  readonly defaultServices: readonly StandardService[];
  /** Where it is told what went wrong. Default: the log of what belongs to no host and no `serve()`. */
  readonly log?: Log;
  /** Aborted when the plugin is told to stop. Default: it never is. */
  readonly draining?: AbortSignal;
  /** Makes what the place serves whatever the options say. */
  readonly beside?: (limits: CallLimits) => Promise<Beside> | Beside;
}

/** Parts of a place whatever the options say. */
interface Beside {
  readonly routes?: readonly StandardRoutes[];
  /** The plugin's `context.broker`. */
  readonly broker?: Broker | undefined;
}

/** A plugin that has been started, and what its calls have to pass. */
export interface PreparedPlugin {
  readonly running: RunningPlugin;
  readonly policy: CallPolicy;
}

/**
 * Checks what would serve a plugin otherwise than was meant. `preparePlugin` does it, too: this is for places that prepare
 * later than they are given their options.
 * @throws PlugboardError PB-ACCESS-UNGUARDED, PB-ACCESS-RULE, PB-ORIGIN-INVALID, PB-HOST-INVALID
 */
export function checkServed(plugin: Plugin, { auth, origins, hosts }: PrepareOptions, trusted = false): void {
  checkAccessRules(plugin.services, trusted || auth !== undefined);
  checkOrigins(origins ?? []);
  checkHosts(hosts ?? []);
}

/**
 * Makes a plugin ready to be served: checks the options and warns of what they open, starts the plugin with the standard
 * services beside its own, and makes the policy for its calls. Every option means the same in every place.
 * @throws PlugboardError as `checkServed` does; PB-LIMIT-INVALID, PB-RATE-LIMIT-BINDING, PB-CONFIG-INVALID, PB-PLUGIN-START,
 * PB-PLUGIN-ROUTES.
 */
export async function preparePlugin<Config extends DescMessage>(
  plugin: Plugin<Config>,
  options: PrepareOptions<Config>,
  place: Place,
): Promise<PreparedPlugin> {
  const { env, endpoints, trusted = false, log = defaultLog } = place;
  checkServed(plugin, options, trusted);
  for (const warning of insecureCombinations({ ...options, onNetwork: place.onNetwork ?? false })) {
    log.line("WARNING", `${plugin.name}: ${warning}`);
  }
  let running: RunningPlugin | undefined;
  const isOwn = (service: DescService) => running?.table.own.includes(service) ?? false;
  const policy = createCallPolicy(options, place.defaultLimits, {
    gates: [place.gate?.(isOwn), options.rateLimit?.open(env, log)],
    trusted,
    log,
  });
  const { limits } = policy;
  const { routes = [], broker } = (await place.beside?.(limits)) ?? {};
  const started = await startWithServices(plugin, {
    env,
    endpoints,
    limits: announcedLimits(limits),
    services: options.services ?? place.defaultServices,
    routes,
    ...(options.config && { config: options.config }),
    ...(broker && { broker }),
    ...(place.protocolVersion !== undefined && { protocolVersion: place.protocolVersion }),
    ...(place.draining && { draining: place.draining }),
  });
  running = started.running;
  return { running, policy };
}
