import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { anyPack } from "@bufbuild/protobuf/wkt";
import type { Code, HandlerContext } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import type {
  ConformancePayload_RequestInfo,
  Error as ErrorDefinition,
  Header,
  UnaryResponseDefinition,
} from "../gen/connectrpc/conformance/v1/service_pb.ts";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  ConformancePayload_RequestInfoSchema,
  type ConformancePayloadSchema,
  ConformanceService,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
} from "../gen/connectrpc/conformance/v1/service_pb.ts";

type Payload = MessageInitShape<typeof ConformancePayloadSchema>;

/** The suite's service: responds as each request says, and tells what it has seen of the request. */
export default definePlugin({
  name: "conformance",
  version: "1.0.0",
  routes(router) {
    router.service(ConformanceService, {
      // Without "unimplemented": the suite wants to see what is said of a method that no one has written.
      async unary(request, context) {
        const requests = [anyPack(UnaryRequestSchema, request)];
        return { payload: await respondOnce(request.responseDefinition, requests, context) };
      },
      async idempotentUnary(request, context) {
        const requests = [anyPack(IdempotentUnaryRequestSchema, request)];
        return { payload: await respondOnce(request.responseDefinition, requests, context) };
      },
      async clientStream(messages, context) {
        const requests: Any[] = [];
        let definition: UnaryResponseDefinition | undefined;
        for await (const message of messages) {
          if (requests.length === 0) {
            definition = message.responseDefinition;
          }
          requests.push(anyPack(ClientStreamRequestSchema, message));
        }
        return { payload: await respondOnce(definition, requests, context) };
      },
      async *serverStream(request, context) {
        const { responseDefinition: definition } = request;
        const info = requestInfo([anyPack(ServerStreamRequestSchema, request)], context);
        if (definition === undefined) {
          return;
        }
        setMetadata(definition, context);
        for (const [index, data] of definition.responseData.entries()) {
          await passed(definition.responseDelayMs);
          yield { payload: index === 0 ? { data, requestInfo: info } : { data } };
        }
        if (definition.error !== undefined) {
          throw errorOf(definition.error, definition.responseData.length === 0 ? info : undefined);
        }
      },
      async *bidiStream(messages, context) {
        let first: Parameters<typeof setMetadata>[0] | undefined;
        let data: readonly Uint8Array[] = [];
        let error: ErrorDefinition | undefined;
        let delayMs = 0;
        let fullDuplex = false;
        let sent = 0;
        /** Those that no response has told of. */
        let untold: Any[] = [];
        const next = async (): Promise<Payload> => {
          await passed(delayMs);
          const requests = untold;
          untold = [];
          const reply: Payload = { data: data[sent] ?? new Uint8Array() };
          sent += 1;
          if (sent === 1) {
            return { ...reply, requestInfo: requestInfo(requests, context) };
          }
          return requests.length === 0 ? reply : { ...reply, requestInfo: { requests } };
        };
        for await (const message of messages) {
          untold.push(anyPack(BidiStreamRequestSchema, message));
          if (first === undefined) {
            const { responseDefinition } = message;
            first = responseDefinition ?? { responseHeaders: [], responseTrailers: [] };
            setMetadata(first, context);
            data = responseDefinition?.responseData ?? [];
            error = responseDefinition?.error;
            delayMs = responseDefinition?.responseDelayMs ?? 0;
            fullDuplex = message.fullDuplex;
          }
          if (fullDuplex) {
            if (sent >= data.length) {
              break;
            }
            yield { payload: await next() };
          }
        }
        while (sent < data.length) {
          yield { payload: await next() };
        }
        if (error !== undefined) {
          throw errorOf(error, sent === 0 ? requestInfo(untold, context) : undefined);
        }
      },
    });
  },
});

async function respondOnce(
  definition: UnaryResponseDefinition | undefined,
  requests: Any[],
  context: HandlerContext,
): Promise<Payload> {
  const info = requestInfo(requests, context);
  if (definition === undefined) {
    return { requestInfo: info };
  }
  setMetadata(definition, context);
  await passed(definition.responseDelayMs);
  const { response } = definition;
  if (response.case === "error") {
    throw errorOf(response.value, info);
  }
  return { requestInfo: info, ...(response.case === "responseData" && { data: response.value }) };
}

function requestInfo(requests: Any[], { requestHeader, timeoutMs, requestMethod, url }: HandlerContext) {
  const timeout = timeoutMs();
  return create(ConformancePayload_RequestInfoSchema, {
    requests,
    requestHeaders: [...requestHeader].map(([name, value]) => ({ name, value: [value] })),
    ...(timeout !== undefined && { timeoutMs: BigInt(Math.round(timeout)) }),
    ...(requestMethod === "GET" && { connectGetInfo: { queryParams: queryOf(url) } }),
  });
}

function queryOf(url: string) {
  return [...new URL(url).searchParams].map(([name, value]) => ({ name, value: [value] }));
}

function setMetadata(
  definition: { readonly responseHeaders: Header[]; readonly responseTrailers: Header[] },
  { responseHeader, responseTrailer }: HandlerContext,
) {
  append(definition.responseHeaders, responseHeader);
  append(definition.responseTrailers, responseTrailer);
}

function append(from: readonly Header[], to: Headers) {
  for (const { name, value } of from) {
    for (const each of value) {
      to.append(name, each);
    }
  }
}

/** @param info The request as it was seen, if no response has told of it. */
function errorOf({ code, message, details }: ErrorDefinition, info: ConformancePayload_RequestInfo | undefined) {
  // Both enumerations have the numbers of gRPC.
  const error = new ConnectError(message ?? "", code as number as Code);
  error.details = details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value }));
  if (info !== undefined) {
    const { typeName } = ConformancePayload_RequestInfoSchema;
    error.details.push({ type: typeName, value: toBinary(ConformancePayload_RequestInfoSchema, info) });
  }
  return error;
}

function passed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
