import { create, toBinary } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import type { ConnectError } from "@connectrpc/connect";
import { StatusSchema } from "../../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";

/**
 * Sets the status of a call of gRPC, or gRPC-Web, in its trailers; see
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses.
 * @param error Made fit by `concealError`, or one of the protocol's own, which have no details. Default: it went well.
 */
export function setGrpcStatus(trailer: Headers, error: ConnectError | undefined): void {
  trailer.set("grpc-status", String(error?.code ?? 0));
  if (error === undefined) {
    return;
  }
  trailer.set("grpc-message", encodeURIComponent(error.rawMessage));
  if (error.details.length > 0) {
    // The same message as google.rpc.Status.
    const status = create(StatusSchema, {
      code: error.code,
      message: error.rawMessage,
      details: error.details.flatMap((detail) =>
        "desc" in detail ? [] : [{ typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value }],
      ),
    });
    trailer.set("grpc-status-details-bin", base64Encode(toBinary(StatusSchema, status), "std_raw"));
  }
}

/** Trailers as gRPC-Web has them in the body, see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md. */
export function trailerBlock(trailer: Headers): Uint8Array {
  const lines: string[] = [];
  trailer.forEach((value, name) => {
    lines.push(`${name}: ${value}\r\n`);
  });
  return new TextEncoder().encode(lines.join(""));
}
