import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeRequest } from "../../../call/messages/encode-message.ts";
import { markWireError } from "../../../client/calls/wire-errors.ts";
import { encodeEnvelope } from "../../../http/wire/envelope.ts";
import { toHeaders } from "../../grpc/fields.ts";
import type { GrpcCall, GrpcListener } from "./grpc-call.ts";
import { decodeResponse } from "./response-fields.ts";

/** Makes a unary call. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  open: (listener: GrpcListener) => GrpcCall,
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
): Promise<UnaryResponse<I, O>> {
  // What is thrown in here rejects.
  return new Promise((resolve, reject) => {
    const request = encodeEnvelope(0, encodeRequest(method.input, input));
    let failure: ConnectError | undefined;
    let message: MessageShape<O> | undefined;
    const call = open({
      begun(failed) {
        // Its trailers, if there are any, say more.
        failure = failed;
      },
      message(bytes) {
        if (message !== undefined) {
          const problem = "protocol error: received extra output message for unary method";
          throw new ConnectError(problem, Code.Unimplemented);
        }
        message = decodeResponse(method, bytes);
      },
      ended(error) {
        const problem = error === undefined ? problemOf(call, message, failure) : undefined;
        if (error !== undefined) {
          reject(error);
        } else if (problem !== undefined) {
          reject(markWireError(problem));
        } else if (message !== undefined) {
          resolve(responseOf(call, method, message));
        }
      },
    });
    call.stream.end(request);
  });
}

/** The error of a response that has ended well, but lacks a message, or has one beside an error. */
function problemOf(
  { trailer }: GrpcCall,
  message: unknown,
  failure: ConnectError | undefined,
): ConnectError | undefined {
  if (message === undefined) {
    const code = "grpc-status" in trailer ? Code.Unimplemented : Code.Unknown;
    return failure ?? new ConnectError("protocol error: missing output message for unary method", code);
  }
  return failure && new ConnectError("protocol error: received output message beside an error status", Code.Unknown);
}

/** Its headers are made for those who ask for them. */
function responseOf<I extends DescMessage, O extends DescMessage>(
  { header, trailer }: GrpcCall,
  method: DescMethodUnary<I, O>,
  message: MessageShape<O>,
): UnaryResponse<I, O> {
  let headers: Headers | undefined;
  let trailers: Headers | undefined;
  return {
    stream: false,
    service: method.parent,
    method,
    message,
    get header() {
      headers ??= toHeaders(header);
      return headers;
    },
    get trailer() {
      trailers ??= toHeaders(trailer);
      return trailers;
    },
  };
}
