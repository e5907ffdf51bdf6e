import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectError, UnaryResponse } from "@connectrpc/connect";
import { encodeRequest } from "../../call/messages/encode-message.ts";
import { frameType, openFlags } from "../wire/frame.ts";
import type { MessageStream } from "../wire/message-stream.ts";
import type { CallOptions, Settled } from "./client-call.ts";
import {
  checkRequestSize,
  decodeMessage,
  messagesOf,
  needsChunks,
  protocolError,
  requestParts,
  settle,
  watchCall,
} from "./client-call.ts";
import type { ClientCall, ClientConnection } from "./client-connection.ts";

/** Makes a unary call. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  connection: ClientConnection,
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
  options: CallOptions,
): Promise<UnaryResponse<I, O>> {
  // What is thrown in here rejects.
  return new Promise((resolve, reject) => {
    const parts = requestParts(method, encodeRequest(method.input, input), options);
    const inChunks = needsChunks(parts, options);
    checkRequestSize(parts, options);
    /** Only of a call with a message that travels in chunks. */
    let messages: MessageStream | undefined;
    let response: Promise<Uint8Array | undefined> | undefined;

    function succeed(payload: Uint8Array, { header, trailer }: Settled) {
      const message = decodeMessage(method, payload, options);
      resolve({ service: method.parent, method, stream: false, header, trailer, message });
    }
    const call: ClientCall = {
      frame({ type, flags, data }) {
        try {
          switch (type) {
            case frameType.response: {
              const settled = settle(data);
              watch.end();
              messages?.receivedEnd();
              messages?.stopSending();
              if (response === undefined) {
                succeed(settled.payload, settled);
              } else {
                response.then((payload = settled.payload) => succeed(payload, settled)).catch(call.fail);
              }
              break;
            }
            case frameType.chunk:
              messages ??= messagesOf(connection, watch, options);
              response ??= messages.next();
              // If the call fails, that is told elsewhere.
              response.catch(() => undefined);
              messages.receivedChunk(data, flags);
              break;
            case frameType.window:
              messages?.receivedWindow(data);
              break;
            case frameType.data:
              throw protocolError("the server streams what is a unary method here");
          }
        } catch (error) {
          call.fail(error as ConnectError);
        }
      },
      refuse: (error) => watch.cancel(error),
      fail(error) {
        watch.end();
        messages?.fail(error);
        reject(error);
      },
    };
    const opening = inChunks ? { ...parts, payload: new Uint8Array(0) } : parts;
    const watch = watchCall(connection, call, opening, inChunks ? openFlags.stream : openFlags.unary, options);
    if (inChunks) {
      messages = messagesOf(connection, watch, options);
      messages.sendInChunks(parts.payload).catch(watch.cancel);
    }
  });
}
