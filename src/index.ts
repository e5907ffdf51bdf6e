/**
 * The portable part of Plugboard: define plugins, and call them from browsers, Workers and Node alike.
 * @module
 */
import { createConnect } from "./client/connect.ts";
import { fetchDialers } from "./client/fetch-dialer.ts";
import { memoryDialer } from "./client/memory-dialer.ts";
import { ttrpcDialers } from "./client/ttrpc-dialers.ts";

/**
 * Connects to a plugin from anywhere: in this process, by http: or https:, by a WebSocket, by a Worker's service
 * binding, or by a message port.
 *
 * ```ts
 * await using connection = await connect("https://markdown.example.workers.dev");
 * const { html } = await connection.client(MarkdownService).render({ markdown: "# hi" });
 * ```
 */
export const connect = createConnect([memoryDialer, ...fetchDialers, ...ttrpcDialers]);

export type { MethodKind } from "./client/capability.ts";
export type { Connect, ConnectOptions, Target } from "./client/connect.ts";
export type { Connection } from "./client/connection.ts";
export type { Carrier, CarrierTarget, Endpoint, Protocol, ServiceBinding } from "./client/endpoint.ts";
export { explainRoutes } from "./client/explain-routes.ts";
export type { Rejection, Requirements, Route, Routes, RoutesOfKind } from "./client/negotiate.ts";
export type { ClientTls, ServerTls } from "./client/tls.ts";
export type { Manifest } from "./gen/plugboard/plugin/v1/plugin_pb.ts";
export { PluginService } from "./gen/plugboard/plugin/v1/plugin_pb.ts";
export type { Broker, BrokerDialOptions, BrokeredClient, BrokeredServer } from "./plugin/broker.ts";
export type { PluginContext } from "./plugin/context.ts";
export type { Plugin, PluginDefinition, PluginDependency } from "./plugin/define-plugin.ts";
export { definePlugin } from "./plugin/define-plugin.ts";
export type { ErrorCode } from "./plugin/errors.ts";
export { errorCodes, isPlugboardError, PlugboardError } from "./plugin/errors.ts";
export type { CarrierConnection, CarrierReceiver } from "./ttrpc/carrier.ts";
export type { MessagePortLike } from "./ttrpc/carriers/message-port.ts";
export type { ServedPlugin, ServeOnOptions } from "./ttrpc/serve-on.ts";
export { serveOn } from "./ttrpc/serve-on.ts";
