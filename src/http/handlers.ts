import type { ConnectRouter, HandlerContext, MethodImplSpec } from "@connectrpc/connect";
import { Code, ConnectError, createMethodImplSpec, createServiceImplSpec } from "@connectrpc/connect";
import type { ProtocolHandlerFactory, UniversalHandler, UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { createUniversalMethodHandler } from "@connectrpc/connect/protocol";
import type { CallPolicy } from "../call/call-policy.ts";
import { concealErrors } from "../call/errors/error-for-caller.ts";
import { checkOutput } from "../call/handler-output.ts";
import { typesOf } from "../call/messages/type-registry.ts";
import { PluginService } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { methodPath } from "../plugin/method-path.ts";
import type { ServiceTable } from "../plugin/service-table.ts";
import { cacheableManifest } from "./cacheable-manifest.ts";
import { handleText } from "./grpc-web-text.ts";
import type { HttpCallHandler } from "./http-call.ts";
import { gateCall, handleCall, runInCall } from "./http-call.ts";
import type { HttpProtocol } from "./protocols.ts";

/** Looks up what handles the path "/package.Service/Method" over HTTP. */
export type FindHttpHandler = (path: string) => HttpCallHandler | undefined;

/** Options of Connect's for calls over HTTP, the same for every protocol. */
export type HttpHandlersOptions = Omit<
  Partial<UniversalHandlerOptions>,
  "interceptors" | "jsonOptions" | "maxTimeoutMs" | "readMaxBytes" | "requestGate"
>;

const describePath = methodPath(PluginService.method.describe);

/**
 * Lets Connect's own handlers serve a service table over HTTP. Connect's router would do the same, but it brings all the
 * protocols there are.
 * @param protocols The protocols to serve. Of two that fit a request, the first takes it.
 */
export function createHttpHandlers(
  table: ServiceTable,
  protocols: readonly HttpProtocol[],
  policy: CallPolicy,
  options: HttpHandlersOptions,
): FindHttpHandler {
  const handlers: UniversalHandler[] = [];
  const add = (specs: readonly MethodImplSpec[], own: OwnOptions | undefined) => {
    const served = factories(protocols, own);
    handlers.push(...specs.map((spec) => createUniversalMethodHandler(checkOutput(spec), served)));
  };
  const router: ConnectRouter = {
    handlers,
    service(service, implementation, own) {
      const { methods } = createServiceImplSpec(service, implementation);
      add(Object.values(methods), own);
      return router;
    },
    rpc(method, implementation, own) {
      add([createMethodImplSpec(method, implementation)], own);
      return router;
    },
  };
  const handlerOptions = {
    ...options,
    jsonOptions: { registry: typesOf(table.services) },
    readMaxBytes: policy.limits.maxMessageBytes,
    // Each call has its deadline shortened to it. What got past that would be refused.
    ...(policy.limits.maxDeadlineMs !== undefined && { maxTimeoutMs: policy.limits.maxDeadlineMs }),
    requestGate: (context: HandlerContext) => gateCall(context),
  };
  table.registerWith(router, handlerOptions, [runInCall, concealErrors(policy.log)]);
  const byPath = new Map<string, HttpCallHandler>(
    handlers.map((handler) => [
      handler.requestPath,
      (request, keepAlive) => handleText(request, (binary) => handleCall(handler, binary, policy, keepAlive)),
    ]),
  );
  const describe = byPath.get(describePath);
  if (describe !== undefined) {
    byPath.set(describePath, cacheableManifest(describe, policy.admit !== undefined));
  }
  return (path) => byPath.get(path);
}

type OwnOptions = Parameters<ConnectRouter["service"]>[2] & { readonly [Name in HttpProtocol["option"]]?: boolean };

/** A plugin can switch a protocol off for a service, as with Connect's router. */
function factories(protocols: readonly HttpProtocol[], own: OwnOptions = {}): ProtocolHandlerFactory[] {
  const on = protocols.filter(({ option }) => own[option] !== false);
  if (on.length === 0) {
    throw new ConnectError("a service disables every protocol that this server has", Code.InvalidArgument);
  }
  return on.map(({ createFactory }) => createFactory(own));
}
