import type { ConnectRouter, HandlerContext, MethodImplSpec } from "@connectrpc/connect";
import { createContextValues, createMethodImplSpec, createServiceImplSpec } from "@connectrpc/connect";
import type { UniversalHandler, UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { createUniversalMethodHandler } from "@connectrpc/connect/protocol";
import { createHandlerFactory } from "@connectrpc/connect/protocol-grpc";
import type { CallPolicy } from "../call/call-policy.ts";
import { concealErrors } from "../call/errors/error-for-caller.ts";
import { checkOutput } from "../call/handler-output.ts";
import { typesOf } from "../call/messages/type-registry.ts";
import { peerKey } from "../call/peer.ts";
import { setRequestId } from "../call/request-id.ts";
import type { OwnOptions, ServiceTable } from "../plugin/service-table.ts";
import { gateCall, handleCall, runInCall } from "./http-call.ts";
import type { CallHandler, CallRequest, CallResponse, FindCallHandler } from "./wire/carrier.ts";

/** Options of Connect's for calls over gRPC. */
export type GrpcHandlersOptions = Pick<Partial<UniversalHandlerOptions>, "acceptCompression" | "shutdownSignal">;

/** Lets Connect's own handlers serve a service table by gRPC, which needs the trailers of HTTP/2. */
export function createGrpcHandlers(
  table: ServiceTable,
  policy: CallPolicy,
  options: GrpcHandlersOptions,
): FindCallHandler {
  const handlers: UniversalHandler[] = [];
  const add = (specs: readonly MethodImplSpec[], own: OwnOptions = {}) => {
    if (own.grpc !== false) {
      const factory = createHandlerFactory(own);
      handlers.push(...specs.map((spec) => createUniversalMethodHandler(checkOutput(spec), [factory])));
    }
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
  const byPath = new Map<string, CallHandler>(
    handlers.map((handler) => [
      handler.requestPath,
      (request, requestId) => handleGrpc(handler, request, requestId, policy),
    ]),
  );
  return (path) => byPath.get(path);
}

async function handleGrpc(
  handler: UniversalHandler,
  { httpVersion, method, url, header, body, signal, peer, waitUntil }: CallRequest,
  requestId: string,
  policy: CallPolicy,
): Promise<CallResponse> {
  const contextValues = createContextValues();
  contextValues.set(peerKey, peer);
  setRequestId(contextValues, requestId);
  const request = { httpVersion, method, url, header, body, signal, contextValues };
  const response = await handleCall(handler, request, policy, waitUntil);
  return { ...response, header: response.header ?? new Headers() };
}
