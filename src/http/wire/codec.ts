import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  DescMessage,
  DescMethod,
  JsonReadOptions,
  JsonWriteOptions,
} from "@bufbuild/protobuf";
import { fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { longerThanTaken } from "../../call/errors/longer-than-taken.ts";
import type { AnyMessage } from "../../call/invoke/handler-output.ts";
import { checkMessage } from "../../call/messages/check-message.ts";

/** The two forms of messages. */
export type Format = "json" | "proto";

/** Reads the messages that a method takes, and writes those that it gives. */
export interface Codec {
  /** @throws ConnectError invalid_argument if it is no such message, resource_exhausted if it is too long */
  read(data: Uint8Array): AnyMessage;
  /** @throws TypeError if a field holds what it can't, ConnectError resource_exhausted if the message is too long */
  write(message: AnyMessage): Uint8Array<ArrayBuffer>;
}

/** Options for both forms, as Connect's routers take them. */
export interface CodecOptions {
  readonly jsonOptions: Partial<JsonReadOptions & JsonWriteOptions>;
  readonly binaryOptions: Partial<BinaryReadOptions & BinaryWriteOptions> | undefined;
  /** Most bytes of a message that comes in. */
  readonly readMaxBytes: number;
  /** Most bytes of a message that goes out. */
  readonly writeMaxBytes: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Makes the codecs of a method. */
export function createCodecs({ input, output }: DescMethod, options: CodecOptions): Readonly<Record<Format, Codec>> {
  const { binaryOptions, readMaxBytes, writeMaxBytes } = options;
  // As Connect has it: a caller may be newer than the plugin.
  const jsonOptions = { ignoreUnknownFields: true, ...options.jsonOptions };
  return {
    json: createCodec(
      (data) => fromJsonString(input, decoder.decode(data), jsonOptions),
      (message) => encoder.encode(toJsonString(output, message, jsonOptions)),
    ),
    proto: createCodec(
      (data) => fromBinary(input, data, binaryOptions),
      (message) => toBinary(output, message, binaryOptions),
    ),
  };

  function createCodec(
    parse: (data: Uint8Array) => AnyMessage,
    serialize: (message: AnyMessage) => Uint8Array<ArrayBuffer>,
  ): Codec {
    return {
      read(data) {
        if (data.byteLength > readMaxBytes) {
          throw longerThanTaken(data.byteLength, readMaxBytes);
        }
        try {
          return parse(data);
        } catch (error) {
          throw unreadable(input, error);
        }
      },
      write(message) {
        checkMessage(output, message);
        const bytes = serialize(message);
        if (bytes.byteLength > writeMaxBytes) {
          throw new ConnectError(
            `the response has ${bytes.byteLength} bytes, which are more than ${writeMaxBytes}`,
            Code.ResourceExhausted,
          );
        }
        return bytes;
      },
    };
  }
}

/** It is the caller's mistake. */
function unreadable({ typeName }: DescMessage, error: unknown): ConnectError {
  const why = error instanceof Error ? error.message : String(error);
  return new ConnectError(
    `the message is not a valid ${typeName}: ${why}`,
    Code.InvalidArgument,
    undefined,
    undefined,
    error,
  );
}
