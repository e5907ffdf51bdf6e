import type { CallPolicy } from "../../call/call-policy.ts";
import { typesOf } from "../../call/messages/type-registry.ts";
import { PluginService } from "../../gen/plugboard/plugin/v1/plugin_pb.ts";
import { methodPath } from "../../plugin/method-path.ts";
import type { ServiceTable } from "../../plugin/service-table.ts";
import { cacheableManifest } from "../cacheable-manifest.ts";
import { decodeText, encodeText, leastBytesOf, wantsText } from "../grpc-web-text.ts";
import type { CallParts } from "./carried-call.ts";
import type { CallHandler, CallRequest, CallResponse, FindCallHandler } from "./carrier.ts";
import type { RequestForm } from "./protocols.ts";
import { formOf } from "./protocols.ts";
import type { ServedMethod, WireOptions } from "./served-method.ts";
import { checkOwnOptions, serveMethod } from "./served-method.ts";
import { StreamingCall } from "./streaming-call.ts";
import { UnaryCall } from "./unary-call.ts";

const describePath = methodPath(PluginService.method.describe);

/** Options for serving Connect, gRPC and gRPC-Web. */
export type CallHandlersOptions = Omit<WireOptions, "jsonOptions">;

/**
 * Serves Connect, gRPC and gRPC-Web straight from a service table, whatever carries them.
 * @throws ConnectError if a service was registered with options that can't hold
 */
export function createCallHandlers(
  table: ServiceTable,
  policy: CallPolicy,
  options: CallHandlersOptions,
): FindCallHandler {
  for (const { options: own } of table.entries()) {
    checkOwnOptions(own, options.protocols);
  }
  const wireOptions = { ...options, jsonOptions: { registry: typesOf(table.services) } };
  const handlers = new Map<string, CallHandler>();

  return (path) => {
    let handler = handlers.get(path);
    const entry = handler === undefined ? table.find(path) : undefined;
    if (entry !== undefined) {
      handler = createHandler(serveMethod(entry, policy.limits, wireOptions), policy);
      if (path === describePath) {
        handler = cacheableManifest(handler, policy.admit !== undefined);
      }
      handlers.set(path, handler);
    }
    return handler;
  };
}

function createHandler(method: ServedMethod, policy: CallPolicy): CallHandler {
  return async (request, requestId) => {
    const parts = { method, request, requestId, policy };
    if (method.desc.methodKind === "bidi_streaming" && request.httpVersion.startsWith("1.")) {
      // A caller that expects both directions to flow at once would wait for ever.
      return refuse(505, { Connection: "close" });
    }
    if (request.method === "GET" && method.get) {
      return get(parts);
    }
    if (request.method !== "POST") {
      return refuse(405, { Allow: method.get ? "POST, GET" : "POST" });
    }
    const form = formOf(request.header.get("Content-Type") ?? "");
    if (form === undefined || !takes(method, form)) {
      return refuse(415);
    }
    return form.kind === "message" ? new UnaryCall(parts, form.format).respond() : stream(parts, form);
  };
}

function takes({ desc, connect, grpc, grpcWeb }: ServedMethod, form: RequestForm): boolean {
  if (form.kind === "message") {
    return connect && desc.methodKind === "unary";
  }
  switch (form.protocol.name) {
    case "connect":
      return connect && desc.methodKind !== "unary";
    case "grpc":
      return grpc;
    case "grpc-web":
      return grpcWeb;
  }
}

/** See https://connectrpc.com/docs/protocol/#unary-get-request. */
async function get(parts: CallParts): Promise<CallResponse> {
  const { url, header } = parts.request;
  const type = header.get("Content-Type");
  const query = new URL(url).searchParams;
  const format = query.get("encoding");
  if ((format !== "json" && format !== "proto") || (type !== null && formOf(type)?.kind !== "message")) {
    return refuse(415);
  }
  return new UnaryCall(parts, format, query).respond();
}

async function stream(
  parts: CallParts,
  { protocol, format, text }: Extract<RequestForm, { kind: "envelopes" }>,
): Promise<CallResponse> {
  const { request } = parts;
  const announced = Number(request.header.get("Content-Length") ?? 0);
  const decoded: CallRequest = text ? { ...request, body: request.body && decodeText(request.body) } : request;
  const call = new StreamingCall({ ...parts, request: decoded }, protocol, format);
  const response = await call.respond(text ? leastBytesOf(announced) : announced);
  const asText = protocol.name === "grpc-web" && wantsText(request.header.get("Accept"), text);
  return asText ? encodeText(response) : response;
}

/** The statuses of requests that are calls of no protocol, in words: none is known that could carry an error. */
const bareRefusals: Readonly<Record<number, string>> = {
  405: "a method is called by POST; by GET only if it has no side effects",
  415:
    "the request has no Content-Type that this method is served with: application/json or application/proto; " +
    "for streams application/connect+json or application/connect+proto; or one of gRPC-Web or, over HTTP/2, gRPC",
  505: "a stream in both directions needs HTTP/2 or a WebSocket",
};

/** Nothing is known yet of a call that could be observed. */
function refuse(status: number, fields: Readonly<Record<string, string>> = {}): CallResponse {
  const header = new Headers({ "Content-Type": "text/plain; charset=utf-8", ...fields });
  return { status, header, body: new TextEncoder().encode(bareRefusals[status]) };
}
