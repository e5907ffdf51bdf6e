import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import type { CallOptions, Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import type { ClientCompatRequest, ClientCompatResponse } from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import {
  ClientCompatResponseSchema,
  ClientResponseResultSchema,
} from "../gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { Protocol } from "../gen/connectrpc/conformance/v1/config_pb.ts";
import type { ConformancePayload } from "../gen/connectrpc/conformance/v1/service_pb.ts";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  ConformancePayloadSchema,
  ConformanceService,
  ErrorSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
} from "../gen/connectrpc/conformance/v1/service_pb.ts";
import { conversation } from "./conversation.ts";

/** The protocol to call in, in our words. */
export function protocolOf({ protocol }: ClientCompatRequest): "connect" | "grpc" | "grpc-web" {
  switch (protocol) {
    case Protocol.CONNECT:
      return "connect";
    case Protocol.GRPC:
      return "grpc";
    case Protocol.GRPC_WEB:
      return "grpc-web";
    default:
      throw new TypeError(`there is no protocol ${protocol}`);
  }
}

/** The suite's server refuses what is no part of a test, and so can't be asked what it is. */
export const withoutDescription: Interceptor = (next) => (request) => {
  if (request.service.typeName !== ConformanceService.typeName) {
    throw new ConnectError("not asked", Code.Unimplemented);
  }
  return next(request);
};

/** Makes the call that is asked for, and tells what came of it. */
export async function call(
  asked: ClientCompatRequest,
  connect: (asked: ClientCompatRequest) => Promise<Connection>,
): Promise<ClientCompatResponse> {
  const { testName } = asked;
  try {
    await using connection = await connect(asked);
    const value = await callOver(connection, asked);
    return create(ClientCompatResponseSchema, { testName, result: { case: "response", value } });
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return create(ClientCompatResponseSchema, { testName, result: { case: "error", value: { message } } });
  }
}

async function callOver(connection: Connection, asked: ClientCompatRequest) {
  const client = connection.client(ConformanceService);
  const result = create(ClientResponseResultSchema);
  const cancelling = new AbortController();
  const options: CallOptions = {
    signal: cancelling.signal,
    headers: asked.requestHeaders.flatMap(({ name, value }) => value.map((each): [string, string] => [name, each])),
    ...(asked.timeoutMs !== undefined && { timeoutMs: asked.timeoutMs }),
    onHeader(headers) {
      result.responseHeaders = headersOf(headers);
    },
    onTrailer(trailers) {
      result.responseTrailers = headersOf(trailers);
    },
  };
  const { messages, sending } = conversation(asked, cancelling);
  const only = <Desc extends DescMessage>(schema: Desc) => unpack(schema, asked.requestMessages[0]);
  const one = async (responding: Promise<{ payload?: ConformancePayload | undefined }>) => {
    const { payload = create(ConformancePayloadSchema) } = await responding;
    result.payloads.push(payload);
  };
  const many = async (responding: AsyncIterable<{ payload?: ConformancePayload | undefined }>) => {
    for await (const { payload = create(ConformancePayloadSchema) } of responding) {
      result.payloads.push(payload);
      sending.received(result.payloads.length);
    }
  };

  try {
    switch (asked.method) {
      case "Unary":
        sending.closed();
        await one(client.unary(only(UnaryRequestSchema), options));
        break;
      case "IdempotentUnary":
        sending.closed();
        await one(client.idempotentUnary(only(IdempotentUnaryRequestSchema), options));
        break;
      case "Unimplemented":
        await client.unimplemented({}, options);
        break;
      case "ServerStream":
        sending.closed();
        await many(client.serverStream(only(ServerStreamRequestSchema), options));
        break;
      case "ClientStream":
        await one(client.clientStream(messages(ClientStreamRequestSchema), options));
        break;
      case "BidiStream":
        await many(client.bidiStream(messages(BidiStreamRequestSchema), options));
        break;
      default:
        throw new TypeError(`there is no method ${asked.method}`);
    }
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    result.error = create(ErrorSchema, {
      // Both enumerations have the numbers of gRPC.
      code: error.code as number as Code,
      message: error.rawMessage,
      // What was on the wire is bytes.
      details: error.details.map((detail) =>
        "desc" in detail ? {} : { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value },
      ),
    });
    // Where headers and trailers were not told apart, they are here.
    if (result.responseTrailers.length === 0) {
      result.responseTrailers = headersOf(error.metadata);
    }
  } finally {
    sending.end();
  }
  result.numUnsentRequests = sending.unsent();
  return result;
}

function unpack<Desc extends DescMessage>(schema: Desc, any: Any | undefined): MessageShape<Desc> {
  const message = any && anyUnpack(any, schema);
  if (message === undefined) {
    throw new TypeError(`the request is no ${schema.typeName}`);
  }
  return message;
}

function headersOf(headers: Headers) {
  return [...headers].map(([name, value]) => ({
    $typeName: "connectrpc.conformance.v1.Header" as const,
    name,
    value: value.split(", "),
  }));
}
