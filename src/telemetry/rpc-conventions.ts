// The names of OpenTelemetry's semantic conventions for RPC, which are stable since v1.45:
// https://opentelemetry.io/docs/specs/semconv/rpc. What those have no name for is called "plugboard.".
import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { Attributes, Span } from "@opentelemetry/api";
import { SpanStatusCode } from "@opentelemetry/api";
import { codeName } from "../call/errors/code-name.ts";

/** The name of the tracer and the meter. */
export const instrumentation = "plugboard";

/** The method's name as spans have it. */
export function methodName({ parent, name }: DescMethod): string {
  return `${parent.typeName}/${name}`;
}

/** Attributes of a call that are known when it begins. */
export function callAttributes(method: DescMethod, protocol: string): Attributes {
  return {
    "rpc.system.name": systemOf(protocol),
    "rpc.method": methodName(method),
    "plugboard.protocol": protocol,
  };
}

/** Attributes of a call that are known when it has ended. */
export function endAttributes(protocol: string, error: ConnectError | undefined, failed: boolean): Attributes {
  const status = statusCode(protocol, error);
  return {
    ...(status !== undefined && { "rpc.status_code": status }),
    ...(failed && { "error.type": status }),
  };
}

/**
 * True for an error that is a failure of the server. Others, such as not_found, are ordinary results. See
 * https://opentelemetry.io/docs/specs/semconv/rpc/grpc.
 */
export function isServerFailure(error: ConnectError | undefined): boolean {
  return error !== undefined && serverFailures.includes(error.code);
}

const serverFailures: readonly Code[] = [
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Unimplemented,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss,
];

/** Ends the span of a call. What went wrong, its status says by the code alone: messages may hold anything. */
export function endSpan(span: Span, attributes: Attributes, failed: boolean): void {
  span.setAttributes(attributes);
  if (failed) {
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

function systemOf(protocol: string): string {
  switch (protocol) {
    case "connect":
      return "connectrpc";
    case "grpc-web":
      return "grpc";
    default:
      return protocol;
  }
}

/** Connect has codes for errors alone; the others have those of gRPC. */
function statusCode(protocol: string, error: ConnectError | undefined): string | undefined {
  if (protocol === "connect") {
    return error && codeName(error.code);
  }
  if (error?.code === Code.Canceled) {
    return "CANCELLED";
  }
  return error === undefined ? "OK" : codeName(error.code).toUpperCase();
}
