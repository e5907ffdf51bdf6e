import { base64Encode } from "@bufbuild/protobuf/wire";
import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import { codeName } from "../../call/errors/code-name.ts";

/** The HTTP status of each code, see https://connectrpc.com/docs/protocol/#error-codes. */
const statuses: Readonly<Record<Code, number>> = {
  [Code.Canceled]: 499,
  [Code.Unknown]: 500,
  [Code.InvalidArgument]: 400,
  [Code.DeadlineExceeded]: 504,
  [Code.NotFound]: 404,
  [Code.AlreadyExists]: 409,
  [Code.PermissionDenied]: 403,
  [Code.ResourceExhausted]: 429,
  [Code.FailedPrecondition]: 400,
  [Code.Aborted]: 409,
  [Code.OutOfRange]: 400,
  [Code.Unimplemented]: 501,
  [Code.Internal]: 500,
  [Code.Unavailable]: 503,
  [Code.DataLoss]: 500,
  [Code.Unauthenticated]: 401,
};

/** The HTTP status of a unary call of Connect's that has failed with a code. */
export function httpStatus(code: Code): number {
  return statuses[code] ?? 500;
}

/**
 * An error as Connect has it in JSON, see https://connectrpc.com/docs/protocol/#error-end-stream.
 * @param error Made fit by `concealError`, or one of the protocol's own, which have no details.
 */
export function errorJson({ code, rawMessage, details }: ConnectError): object {
  const packed = details.flatMap((detail) =>
    "desc" in detail ? [] : [{ type: detail.type, value: base64Encode(detail.value, "std_raw") }],
  );
  return {
    code: codeName(code),
    ...(rawMessage !== "" && { message: rawMessage }),
    ...(packed.length > 0 && { details: packed }),
  };
}

/** The end of a stream of Connect's: the metadata, and the error if it has failed. */
export function endOfStream(trailer: Headers | undefined, error: ConnectError | undefined): Uint8Array {
  const metadata: Record<string, string[]> = {};
  trailer?.forEach((value, name) => {
    metadata[name] = [value];
  });
  const end = {
    ...(error && { error: errorJson(error) }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
  return new TextEncoder().encode(JSON.stringify(end));
}
