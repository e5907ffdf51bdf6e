/**
 * The portable part of Plugboard: define plugins, and call them from browsers, Workers and Node alike.
 * @module
 */
import { createConnect } from "./client/connect.ts";
import { portableDialers } from "./client/dialers/portable.ts";
import { startWithServices } from "./serving/start-with-services.ts";

/**
 * Connects to a plugin from anywhere: in this process, by http: or https:, by a WebSocket, by a Worker's service
 * binding, or by a message port.
 *
 * ```ts
 * await using connection = await connect("https://markdown.example.workers.dev");
 * const { html } = await connection.client(MarkdownService).render({ markdown: "# hi" });
 * ```
 */
export const connect = /* @__PURE__ */ createConnect(portableDialers, startWithServices);

// Connect: to a plugin from anywhere, and see which routes there are.

export type { AddressTarget } from "./address/address.ts";
export type {
  Address,
  Carrier,
  CarrierTarget,
  Endpoint,
  EndpointLimits,
  Protocol,
  ServiceBinding,
} from "./address/endpoint.ts";
export type { Runtime } from "./address/runtime.ts";
export type { Keepalive } from "./call/time/keepalive.ts";
export type { Connect, ConnectOptions, Target } from "./client/connect.ts";
export type { Connection } from "./client/connection.ts";
export type { Capability, Carries, HttpVersion, MethodKind } from "./client/routes/capability.ts";
export { explainRoutes } from "./client/routes/explain-routes.ts";
export type { Dialable, Rejection, Requirements, Route, Routes, RoutesOfKind } from "./client/routes/negotiate.ts";
export type { Token } from "./client/token.ts";

// Define: a plugin, and what every part speaks of.

export type { ErrorCode } from "./base/error-code.ts";
export type { ErrorDefinition, ErrorFactory, PlugboardErrorOptions } from "./base/errors.ts";
export { defineErrors, isPlugboardError, PlugboardError } from "./base/errors.ts";
export type { RequestGate } from "./call/request-gate.ts";
export type { Manifest } from "./gen/plugboard/plugin/v1/plugin_pb.ts";
export { PluginService } from "./gen/plugboard/plugin/v1/plugin_pb.ts";
export type { ConfigInit } from "./plugin/config-json.ts";
export type { PluginContext } from "./plugin/context.ts";
export type { ContextOf, Plugin, PluginDefinition, PluginDependency } from "./plugin/define-plugin.ts";
export { definePlugin } from "./plugin/define-plugin.ts";
export type { OwnGate, OwnOptions, ServiceTable, ServiceTableEntry, StandardRoutes } from "./plugin/service-table.ts";

// Guard: who may call, how often, and over what.

export type { ClientTls, ServerTls } from "./address/tls-options.ts";
export type { CallLimits } from "./call/call-policy.ts";
export type { Peer } from "./call/peer.ts";
export { peerKey } from "./call/peer.ts";
export type { AuditLogOptions, DenialRecord } from "./policy/auth/audit-log.ts";
export type { BearerOptions } from "./policy/auth/bearer.ts";
export { bearer } from "./policy/auth/bearer.ts";
export type { Authenticate, Caller, Credentials } from "./policy/auth/caller.ts";
export { callerKey } from "./policy/auth/caller.ts";
export type { DenialReason } from "./policy/auth/denial.ts";
export type {
  JwtByKeySet,
  JwtBySecret,
  JwtClaims,
  JwtOptions,
  KeySetAlgorithm,
  SecretAlgorithm,
} from "./policy/auth/jwt.ts";
export { jwt } from "./policy/auth/jwt.ts";
export type { PolicyOptions } from "./policy/create-call-policy.ts";
export type { Hsts } from "./policy/hsts.ts";
export { memoryRateLimit } from "./policy/rate-limit/memory.ts";
export type { RateLimit, RateLimitOptions } from "./policy/rate-limit/rate-limit.ts";
export type { TokenRate } from "./policy/rate-limit/token-buckets.ts";

// Serve beside a plugin's own services.

export type { PlainResponse } from "./call/refuse-request.ts";
export { health } from "./services/health-service.ts";
export { reflection } from "./services/reflection-service.ts";
export type { ServiceContext, StandardService } from "./services/standard-service.ts";

// Observe: calls and logs.

export type { Log } from "./base/log.ts";
export { maskSecrets } from "./base/mask-secrets.ts";
export type { CallObservation, CallObserver, CallOutcome } from "./call/call-observer.ts";
export { requestIdOf } from "./call/request-id.ts";
export type { AccessLogOptions } from "./telemetry/access-log.ts";
export { accessLog } from "./telemetry/access-log.ts";

// Extend: carriers, stores, and calls that go on from a handler.

export type { ForwardedCall } from "./call/forward.ts";
export { forward } from "./call/forward.ts";
export type { Broker, BrokerDialOptions, BrokeredClient, BrokeredServer } from "./plugin/broker.ts";
export type { SharedRateLimitOptions } from "./policy/rate-limit/shared.ts";
export { sharedRateLimit } from "./policy/rate-limit/shared.ts";
export type { CarrierConnection, CarrierReceiver } from "./ttrpc/carrier.ts";
export type { MessagePortLike } from "./ttrpc/carriers/message-port.ts";
export type { ServedPlugin, ServeOnOptions } from "./ttrpc/serve-on.ts";
export { serveOn } from "./ttrpc/serve-on.ts";
