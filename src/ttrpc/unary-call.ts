import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectError, UnaryResponse } from "@connectrpc/connect";
import type { CallOptions } from "./client-call.ts";
import { decodeMessage, encodeRequest, protocolError, requestParts, settle, watchCall } from "./client-call.ts";
import type { ClientCall, ClientConnection } from "./client-connection.ts";
import { openFlags } from "./client-connection.ts";
import { frameType } from "./frame.ts";

/** Makes a unary call. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  connection: ClientConnection,
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
  options: CallOptions,
): Promise<UnaryResponse<I, O>> {
  const parts = requestParts(method, encodeRequest(method.input, input), options);
  return new Promise((resolve, reject) => {
    const call: ClientCall = {
      frame({ type, data }) {
        if (type === frameType.response) {
          try {
            const { payload, header, trailer } = settle(data);
            watch.end();
            resolve({
              service: method.parent,
              method,
              stream: false,
              header,
              trailer,
              message: decodeMessage(method, payload, options),
            });
          } catch (error) {
            call.fail(error as ConnectError);
          }
        } else if (type === frameType.data) {
          call.fail(protocolError("the server streams what is a unary method here"));
        }
      },
      refuse: (error) => watch.cancel(error),
      fail(error) {
        watch.end();
        reject(error);
      },
    };
    const watch = watchCall(connection, call, parts, openFlags.unary, options);
  });
}
