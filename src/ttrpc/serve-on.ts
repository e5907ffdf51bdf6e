import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { within } from "../base/async/within.ts";
import type { CallLimits } from "../call/call-policy.ts";
import { trustedLimits } from "../call/call-policy.ts";
import { checkGracePeriod, flushMs } from "../call/time/grace-period.ts";
import type { Keepalive } from "../call/time/keepalive.ts";
import { defaultKeepalive, localKeepalive, withKeepalive } from "../call/time/keepalive.ts";
import { Carrier } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";
import type { ConfigInit } from "../plugin/config-json.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import type { PolicyOptions } from "../policy/create-call-policy.ts";
import { policyNames } from "../policy/create-call-policy.ts";
import { health } from "../services/health-service.ts";
import type { StandardService } from "../services/standard-service.ts";
import { preparePlugin } from "../serving/prepare-plugin.ts";
import type { CarrierConnection } from "./carrier.ts";
import type { MessagePortLike } from "./carriers/message-port.ts";
import { messagePortCarrier } from "./carriers/message-port.ts";
import { ttrpcEndpoint } from "./endpoint.ts";
import { createTtrpcServing } from "./server/server.ts";

/** Options for `serveOn`. */
export interface ServeOnOptions<Config extends DescMessage = DescMessage> extends PolicyOptions {
  /** The configuration: a message of the plugin's config schema, its fields, or protobuf JSON. */
  readonly config?: ConfigInit<Config>;
  /** The plugin's `context.env`. Default: empty. */
  readonly env?: Readonly<Record<string, unknown>>;
  /** Services beside the plugin's own. Default: `[health()]`. */
  readonly services?: readonly StandardService[];
  /** Limits on calls. Default: messages of 4 MiB and 1,024 calls at once. */
  readonly limits?: Partial<CallLimits>;
  /**
   * Pings that find out that the other side has vanished without a word: it is then taken for closed. Default: a ping
   * after 30 s of silence, 10 s to respond; on message ports none.
   */
  readonly keepalive?: Partial<Keepalive>;
  /**
   * Milliseconds that calls in flight may take when it is closed, and handlers when the other side has gone; 0 for
   * none, `Infinity` for any number. Default: 5,000.
   */
  readonly gracePeriodMs?: number;
}

const optionNames: OptionNames<ServeOnOptions> = {
  ...policyNames,
  config: true,
  env: true,
  gracePeriodMs: true,
  keepalive: true,
  services: true,
};

/** A plugin that is served on a connection. */
export interface ServedPlugin extends AsyncDisposable {
  /** Settles when the plugin has stopped: by `close`, or because the other side has ended the connection. */
  readonly closed: Promise<void>;
  /**
   * Takes no new calls, lets those in flight finish within the grace period, and stops the plugin. Further calls return the first
   * one's promise.
   */
  close(): Promise<void>;
}

/**
 * Serves a plugin on a message port (of a worker thread, a Web Worker, an iframe), or on a connection of a carrier of
 * your own. The other side calls `connect` with its end.
 *
 * ```ts
 * import { parentPort } from "node:worker_threads";
 * await serveOn(plugin, parentPort);
 * ```
 *
 * @throws PlugboardError PB-PLUGIN-START, PB-PLUGIN-ROUTES, PB-RATE-LIMIT-BINDING, PB-ACCESS-UNGUARDED if the contract requires scopes and there is
 * no `auth`, PB-ACCESS-RULE if a rule in the contract contradicts itself; PB-OPTION-UNKNOWN, PB-LIMIT-INVALID.
 */
export async function serveOn<Config extends DescMessage>(
  plugin: Plugin<Config>,
  end: MessagePortLike | CarrierConnection,
  options: ServeOnOptions<Config> = {},
): Promise<ServedPlugin> {
  checkOptions<ServeOnOptions>("serveOn()", options, optionNames);
  const { env = {}, gracePeriodMs = 5_000 } = options;
  checkGracePeriod(gracePeriodMs);
  const isPort = "postMessage" in end;
  const draining = new AbortController();
  const { running, policy } = await preparePlugin(plugin, options, {
    env,
    defaultLimits: trustedLimits,
    endpoints: [ttrpcEndpoint(isPort ? Carrier.MESSAGE_PORT : Carrier.CUSTOM)],
    defaultServices: [health()],
    draining: draining.signal,
  });
  const { accept, drain, abort } = createTtrpcServing({
    table: running.table,
    policy,
    keepalive: withKeepalive(options.keepalive, isPort ? localKeepalive : defaultKeepalive),
  });
  const connection = accept(isPort ? messagePortCarrier(end) : end);
  let graceEnds: number | undefined;
  const graceLeft = () => {
    graceEnds ??= performance.now() + gracePeriodMs;
    return Math.max(graceEnds - performance.now(), flushMs);
  };
  const stop = async () => {
    await connection.closed;
    // One that does not heed its signal keeps the plugin from stopping no longer than that.
    await within(graceLeft(), connection.over);
    await running.stop();
  };
  const closed = stop();
  // A caller that waits for it is told if stopping fails.
  closed.catch(() => undefined);
  const finish = async () => {
    graceLeft();
    draining.abort();
    if (!(await within(gracePeriodMs, drain()))) {
      abort(new ConnectError("the plugin is shutting down", Code.Unavailable));
    }
    await closed;
  };
  let ending: Promise<void> | undefined;
  const close = () => {
    ending ??= finish();
    return ending;
  };
  return { closed, close, [Symbol.asyncDispose]: close };
}
