import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MethodDefinition } from "@grpc/grpc-js";
import { EchoService } from "../gen/plugboard/bench/v1/echo_pb.ts";

const { echo, produce, hold } = EchoService.method;

/** The service for @grpc/grpc-js, with the same protobuf library that the others use. */
export const definition = {
  echo: define(echo, false),
  produce: define(produce, true),
  hold: define(hold, true),
} as const;

function define<I extends DescMessage, O extends DescMessage>(
  { parent, name, input, output }: { parent: { typeName: string }; name: string; input: I; output: O },
  responseStream: boolean,
): MethodDefinition<MessageShape<I>, MessageShape<O>> {
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: false,
    responseStream,
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}
