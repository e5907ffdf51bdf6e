/** The behaviour contract as nice-grpc describes services, with protobuf-es's messages. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

const serializer = (schema) => ({
  serialize: (message) => toBinary(schema, create(schema, message)),
  deserialize: (bytes) => fromBinary(schema, bytes),
});

const methods = ["echo", "inspect", "fail", "hang", "produce", "collect", "converse"];

export const Behaviour = Object.fromEntries(
  BehaviourService.methods
    .filter(({ localName }) => methods.includes(localName))
    .map(({ name, localName, input, output, methodKind }) => [
      localName,
      {
        path: `/${BehaviourService.typeName}/${name}`,
        requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
        responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
        requestSerialize: serializer(input).serialize,
        requestDeserialize: serializer(input).deserialize,
        responseSerialize: serializer(output).serialize,
        responseDeserialize: serializer(output).deserialize,
        options: {},
      },
    ]),
);
