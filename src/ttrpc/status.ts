import { create, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Status } from "../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";
import { StatusSchema } from "../gen/plugboard/ttrpc/v1/ttrpc_pb.ts";

const typeUrlPrefix = "type.googleapis.com/";

/** An error as it travels. */
export function toStatus(error: ConnectError): Status {
  return create(StatusSchema, {
    code: error.code,
    message: error.rawMessage,
    details: error.details.map((detail): Any => {
      const [type, value] =
        "desc" in detail
          ? [detail.desc.typeName, toBinary(detail.desc, create(detail.desc, detail.value))]
          : [detail.type, detail.value];
      return create(AnySchema, { typeUrl: typeUrlPrefix + type, value });
    }),
  });
}

/** An error as programs see it. */
export function fromStatus(status: Status, metadata: Headers): ConnectError {
  // The codes of Connect are those of gRPC.
  const code = Code[status.code] === undefined ? Code.Unknown : (status.code as Code);
  const error = new ConnectError(status.message, code, metadata);
  error.details = status.details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return error;
}
