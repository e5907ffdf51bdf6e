/**
 * The portable part of Plugboard: define plugins, and call them from browsers, Workers and Node alike.
 * @module
 */
import { createConnect } from "./client/connect.ts";
import { portableDialers } from "./client/portable-dialers.ts";

/**
 * Connects to a plugin from anywhere: in this process, by http: or https:, by a WebSocket, by a Worker's service
 * binding, or by a message port.
 *
 * ```ts
 * await using connection = await connect("https://markdown.example.workers.dev");
 * const { html } = await connection.client(MarkdownService).render({ markdown: "# hi" });
 * ```
 */
export const connect = /* @__PURE__ */ createConnect(portableDialers);

export type { MethodKind } from "./client/capability.ts";
export type { Connect, ConnectOptions, Target } from "./client/connect.ts";
export type { Connection } from "./client/connection.ts";
export type { Carrier, CarrierTarget, Endpoint, Protocol, ServiceBinding } from "./client/endpoint.ts";
export { explainRoutes } from "./client/explain-routes.ts";
export type { Rejection, Requirements, Route, Routes, RoutesOfKind } from "./client/negotiate.ts";
export type { ClientTls, ServerTls } from "./client/tls.ts";
export type { Token } from "./client/token.ts";
export type { Manifest } from "./gen/plugboard/plugin/v1/plugin_pb.ts";
export { PluginService } from "./gen/plugboard/plugin/v1/plugin_pb.ts";
export type { Broker, BrokerDialOptions, BrokeredClient, BrokeredServer } from "./plugin/broker.ts";
export type { ConfigInit } from "./plugin/config-json.ts";
export type { PluginContext } from "./plugin/context.ts";
export type { Plugin, PluginDefinition, PluginDependency } from "./plugin/define-plugin.ts";
export { definePlugin } from "./plugin/define-plugin.ts";
export type { ErrorCode } from "./plugin/errors.ts";
export { errorCodes, isPlugboardError, PlugboardError } from "./plugin/errors.ts";
export { maskSecrets } from "./plugin/mask-secrets.ts";
export type { AuditLogOptions, DenialRecord } from "./policy/audit-log.ts";
export type { BearerOptions } from "./policy/bearer.ts";
export { bearer } from "./policy/bearer.ts";
export type { Authenticate, Caller, Credentials } from "./policy/caller.ts";
export { callerKey } from "./policy/caller.ts";
export type { DenialReason } from "./policy/denial.ts";
export type { Hsts } from "./policy/hsts.ts";
export type { JwtOptions, KeySetAlgorithm, SecretAlgorithm } from "./policy/jwt.ts";
export { jwt } from "./policy/jwt.ts";
export { memoryRateLimit } from "./policy/memory-rate-limit.ts";
export type { RateLimit, RateLimitOptions } from "./policy/rate-limit.ts";
export type { TokenRate } from "./policy/token-buckets.ts";
export type { CallObservation, CallObserver, CallOutcome } from "./rpc/call-observer.ts";
export type { ForwardedCall } from "./rpc/forward.ts";
export { forward } from "./rpc/forward.ts";
export type { Keepalive } from "./rpc/keepalive.ts";
export type { Peer } from "./rpc/peer.ts";
export { peerKey } from "./rpc/peer.ts";
export { requestIdOf } from "./rpc/request-id.ts";
export type { AccessLogOptions } from "./telemetry/access-log.ts";
export { accessLog } from "./telemetry/access-log.ts";
export type { CarrierConnection, CarrierReceiver } from "./ttrpc/carrier.ts";
export type { MessagePortLike } from "./ttrpc/carriers/message-port.ts";
export type { ServedPlugin, ServeOnOptions } from "./ttrpc/serve-on.ts";
export { serveOn } from "./ttrpc/serve-on.ts";
