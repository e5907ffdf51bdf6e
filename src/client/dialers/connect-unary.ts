import type { DescMessage, JsonValue, MessageShape } from "@bufbuild/protobuf";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { CommonTransportOptions } from "@connectrpc/connect/protocol";
import { createMethodUrl, readAllBytes, runUnaryCall } from "@connectrpc/connect/protocol";
import {
  codeFromString,
  requestHeader,
  trailerDemux,
  transformConnectPostToGetRequest,
  validateResponseWithCompression,
} from "@connectrpc/connect/protocol-connect";
import { onePiece } from "../../base/chunks.ts";

// Connect's own transport brings its streams along, JSON and all that compresses: more code than the whole rest of a page
// that makes unary calls. This is the part that such a page needs, of the same pieces.

/** Options of unary calls. */
export interface ConnectUnaryOptions
  extends Pick<CommonTransportOptions, "baseUrl" | "httpClient" | "interceptors" | "readMaxBytes"> {
  /** Calls by GET. The methods have to be free of side effects. Default: by POST. */
  readonly byGet?: boolean;
}

type IncomingDetail = Extract<ConnectError["details"][number], { readonly type: string }>;

/** Makes unary calls in binary Connect, without compression; of errors and limits just as Connect's own transport does. */
export function createConnectUnary(options: ConnectUnaryOptions): Transport["unary"] {
  const { baseUrl, httpClient, interceptors, readMaxBytes, byGet = false } = options;
  return (method, signal, timeoutMs, header, message, contextValues) => {
    const timeLeft = timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : undefined;
    return runUnaryCall({
      ...(interceptors && { interceptors }),
      ...(signal && { signal }),
      ...(timeLeft !== undefined && { timeoutMs: timeLeft }),
      req: {
        stream: false,
        service: method.parent,
        method,
        requestMethod: "POST",
        url: createMethodUrl(baseUrl, method),
        header: requestHeader(method.methodKind, true, timeLeft, header, true),
        contextValues: contextValues ?? createContextValues(),
        message,
      },
      async next(request) {
        const bytes = encode(method.input, request.message);
        const { url, header, requestMethod } = byGet ? transformConnectPostToGetRequest(request, bytes, true) : request;
        const response = await httpClient({
          url,
          method: requestMethod,
          header,
          signal: request.signal,
          ...(!byGet && { body: onePiece(bytes) }),
        });
        const { isUnaryError, unaryError } = validateResponseWithCompression(
          method.methodKind,
          [],
          true,
          response.status,
          response.header,
        );
        const [leading, trailer] = trailerDemux(response.header);
        const body = await readAllBytes(response.body, readMaxBytes, response.header.get("Content-Length"));
        if (isUnaryError) {
          trailer.forEach((value, key) => {
            leading.append(key, value);
          });
          throw errorIn(body, leading, unaryError);
        }
        const output = decode(method.output, body);
        return { stream: false, service: method.parent, method, header: leading, message: output, trailer };
      },
    });
  };
}

function encode<T extends DescMessage>(schema: T, message: MessageShape<T>): Uint8Array {
  try {
    return toBinary(schema, message);
  } catch (error) {
    throw new ConnectError(`serialize binary: ${messageOf(error)}`, Code.Internal);
  }
}

function decode<T extends DescMessage>(schema: T, bytes: Uint8Array): MessageShape<T> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new ConnectError(`parse binary: ${messageOf(error)}`, Code.Internal);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error that a response says; one that is none of Connect's says what its HTTP status stands for. */
function errorIn(body: Uint8Array, metadata: Headers, otherwise: ConnectError): ConnectError {
  metadata.forEach((value, key) => {
    otherwise.metadata.append(key, value);
  });
  try {
    const said: unknown = JSON.parse(new TextDecoder().decode(body));
    if (!isRecord(said)) {
      return otherwise;
    }
    const { code, message, details } = said;
    const known = typeof code === "string" ? codeFromString(code) : undefined;
    const error = new ConnectError(message == null ? "" : text(message), known ?? otherwise.code, metadata);
    error.isWireError = true;
    error.details = Array.isArray(details) ? details.map(readDetail) : [];
    return error;
  } catch {
    return otherwise;
  }
}

function readDetail(detail: unknown): IncomingDetail {
  const { type, value, debug } = isRecord(detail) ? detail : {};
  const read = { type: text(type), value: base64Decode(text(value)) };
  return debug === undefined ? read : { ...read, debug: debug as JsonValue };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  if (typeof value !== "string") {
    throw new TypeError("expected text");
  }
  return value;
}
