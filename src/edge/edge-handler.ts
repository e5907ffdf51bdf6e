import type { DescMessage } from "@bufbuild/protobuf";
import { Carrier, Protocol } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { readConfig, readConfigText } from "../plugin/config.ts";
import type { Plugin } from "../plugin/define-plugin.ts";
import { createManifest } from "../plugin/manifest.ts";
import { startPlugin } from "../plugin/running-plugin.ts";
import type { FindHttpHandler } from "../rpc/http-handlers.ts";
import { createHttpHandlers } from "../rpc/http-handlers.ts";
import { healthRoutes } from "../services/health-service.ts";
import { pluginServiceRoutes } from "../services/plugin-service.ts";
import { reflectionRoutes } from "../services/reflection-service.ts";
import { ttrpcEndpoint } from "../ttrpc/endpoint.ts";
import type { TtrpcServing } from "../ttrpc/serving.ts";
import { createTtrpcServing, maxConcurrentCalls } from "../ttrpc/serving.ts";
import type { EdgeOptions } from "./edge-options.ts";

/** A started plugin, ready for requests. */
export interface EdgeHandler {
  /** Looks up what handles a path over HTTP. */
  readonly find: FindHttpHandler;
  /** Serves ttrpc on WebSockets. */
  readonly serving: TtrpcServing;
}

const http = [Carrier.HTTP, Carrier.SERVICE_BINDING].flatMap((carrier) =>
  [Protocol.CONNECT, Protocol.GRPC_WEB].map((protocol) => ({ protocol, carrier })),
);
const endpoints = [...http, ttrpcEndpoint(Carrier.WEBSOCKET)];

/**
 * Starts a plugin with a Worker's bindings.
 * @throws PlugboardError PB-CONFIG-INVALID, PB-PLUGIN-START or PB-PLUGIN-ROUTES
 */
export async function startEdgeHandler<Config extends DescMessage>(
  plugin: Plugin<Config>,
  env: Readonly<Record<string, unknown>> | undefined,
  options: EdgeOptions<Config>,
): Promise<EdgeHandler> {
  const { maxMessageBytes = 4 * 1024 * 1024, reflection = false } = options;
  const config = options.config ?? configFrom(plugin, env?.PLUGBOARD_CONFIG);
  const limits = { maxMessageBytes: BigInt(maxMessageBytes), maxConcurrentStreams: maxConcurrentCalls };
  const manifest = createManifest(plugin, { endpoints, limits });
  const { table } = await startPlugin(plugin, {
    env: env ?? {},
    standardRoutes: [pluginServiceRoutes(manifest), healthRoutes(), ...(reflection ? [reflectionRoutes()] : [])],
    ...(config && { config }),
  });
  // gRPC needs HTTP/2 trailers, which Workers can't send.
  const find = createHttpHandlers(table, { grpc: false, readMaxBytes: maxMessageBytes });
  return { find, serving: createTtrpcServing({ table, maxMessageBytes }) };
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
