import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { validateResponseWithCompression, validateTrailer } from "@connectrpc/connect/protocol-grpc";
import { toHeaders } from "../../grpc/fields.ts";

/** The content types of gRPC as servers write them, most of all. */
const usualTypes: ReadonlySet<unknown> = new Set(["application/grpc", "application/grpc+proto"]);

/** True for the usual header: its messages follow, and its status comes after them. */
export function isBegun(fields: IncomingHttpHeaders & IncomingHttpStatusHeader): boolean {
  return (
    fields[":status"] === 200 &&
    usualTypes.has(fields["content-type"]) &&
    fields["grpc-status"] === undefined &&
    fields["grpc-status-details-bin"] === undefined &&
    fields["grpc-encoding"] === undefined
  );
}

/**
 * Reads any header.
 * @returns The error that is in it, as in a response of headers alone.
 * @throws ConnectError if it is none of gRPC, or messages follow that can't be read
 */
export function readHeader(fields: IncomingHttpHeaders & IncomingHttpStatusHeader): ConnectError | undefined {
  return validateResponseWithCompression([], Number(fields[":status"]), toStatus(fields)).headerError;
}

/**
 * Reads the status of a call.
 * @throws ConnectError that it says, with the metadata of header and trailer; internal if there is none
 */
export function readTrailer(header: IncomingHttpHeaders, trailer: IncomingHttpHeaders): void {
  if (trailer["grpc-status"] !== "0" || trailer["grpc-status-details-bin"] !== undefined) {
    validateTrailer(toStatus(trailer), toHeaders(header));
  }
}

/** The fields of Node's, with a message that can be decoded: what is not percent-encoded is told as it is, as gRPC has it. */
function toStatus(fields: IncomingHttpHeaders): Headers {
  const headers = toHeaders(fields);
  const message = headers.get("grpc-message") ?? "";
  try {
    decodeURIComponent(message);
  } catch {
    headers.set("grpc-message", encodeURIComponent(message));
  }
  return headers;
}

/**
 * Parses a response message.
 * @throws ConnectError internal if it is none
 */
export function decodeResponse<O extends DescMessage>(
  { output }: { readonly output: O },
  bytes: Uint8Array,
): MessageShape<O> {
  try {
    return fromBinary(output, bytes);
  } catch (cause) {
    const problem = `protocol error: the message is no ${output.typeName}`;
    throw new ConnectError(problem, Code.Internal, undefined, undefined, cause);
  }
}
