import { create } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Status } from "../../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { StatusSchema } from "../../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";

const typeUrlPrefix = "type.googleapis.com/";

/**
 * An error as it travels.
 * @param error Made fit by `concealError`, or one of Plugboard's own, which have no details.
 */
export function toStatus(error: ConnectError): Status {
  return create(StatusSchema, {
    code: error.code,
    message: error.rawMessage,
    details: error.details.flatMap((detail): Any[] =>
      "desc" in detail ? [] : [create(AnySchema, { typeUrl: typeUrlPrefix + detail.type, value: detail.value })],
    ),
  });
}

/** An error as programs see it. */
export function fromStatus(status: Status, metadata: Headers): ConnectError {
  // The codes of Connect are those of gRPC.
  const code = Code[status.code] === undefined ? Code.Unknown : (status.code as Code);
  const error = new ConnectError(status.message, code, metadata);
  // A handler that lets it through responds to another call, whose metadata this is not.
  error.isWireError = true;
  error.details = status.details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return error;
}
