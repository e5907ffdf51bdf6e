import type { DescMessage } from "@bufbuild/protobuf";
import type { CallPolicy } from "../call/call-policy.ts";
import { publicLimits } from "../call/call-policy.ts";
import { Carrier, Protocol } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import type { FindCallHandler } from "../http/wire/carrier.ts";
import { createCallHandlers } from "../http/wire/handlers.ts";
import { readConfig, readConfigText } from "../plugin/config.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import type { ServiceTable } from "../plugin/service-table.ts";
import { health } from "../services/health-service.ts";
import { preparePlugin } from "../serving/prepare-plugin.ts";
import { accessLog } from "../telemetry/access-log.ts";
import type { EdgeOptions } from "./edge-options.ts";
import { gzip } from "./gzip.ts";
import type { WebSocketServing } from "./websocket.ts";

/** A started plugin, ready for requests. */
export interface EdgeHandler {
  /** Looks up what handles a path over HTTP. */
  readonly find: FindCallHandler;
  readonly table: ServiceTable;
  readonly policy: CallPolicy;
}

const http = [Carrier.HTTP, Carrier.SERVICE_BINDING].flatMap((carrier) =>
  [Protocol.CONNECT, Protocol.GRPC_WEB].map((protocol) => ({ protocol, carrier })),
);

/**
 * Starts a plugin with a Worker's bindings.
 * @throws PlugboardError PB-CONFIG-INVALID, PB-RATE-LIMIT-BINDING, PB-PLUGIN-START or PB-PLUGIN-ROUTES
 */
export async function startEdgeHandler<Config extends DescMessage>(
  plugin: Plugin<Config>,
  env: Readonly<Record<string, unknown>> | undefined,
  options: EdgeOptions<Config>,
  webSockets: WebSocketServing | undefined,
): Promise<EdgeHandler> {
  const { observers = [accessLog()] } = options;
  const config = options.config ?? configFrom(plugin, env?.PLUGBOARD_CONFIG);
  const { running, policy } = await preparePlugin(
    plugin,
    { ...options, observers, config },
    {
      env: env ?? {},
      defaultLimits: publicLimits,
      endpoints: [...http, ...(webSockets?.endpoints() ?? [])],
      defaultServices: [health()],
    },
  );
  const { table } = running;
  // gRPC needs HTTP/2 trailers, which Workers can't send.
  const find = createCallHandlers(table, policy, {
    protocols: ["connect", "grpcWeb"],
    acceptCompression: [gzip],
    // Responses are left to the platform, which compresses what callers accept compressed.
    compressMinBytes: Number.POSITIVE_INFINITY,
  });
  return { find, table, policy };
}

/** A Worker's variable is text, or already JSON if wrangler.toml says so. */
function configFrom<Config extends DescMessage>(plugin: Plugin<Config>, value: unknown) {
  if (value === undefined) {
    return undefined;
  }
  return typeof value === "string"
    ? readConfigText(plugin.config, value, "PLUGBOARD_CONFIG")
    : readConfig(plugin.config, value);
}
