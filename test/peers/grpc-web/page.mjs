/** Calls the behaviour contract by grpc-web, in a page. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { GrpcWebClientBase, MethodDescriptor } from "grpc-web";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

/** The call's method, with protobuf-es's messages. */
function descriptorOf({ name, input, output, methodKind }) {
  return new MethodDescriptor(
    `/${BehaviourService.typeName}/${name}`,
    methodKind,
    Object,
    Object,
    (message) => toBinary(input, create(input, message)),
    (bytes) => fromBinary(output, bytes),
  );
}

/** @param {"binary" | "text"} format "text" is the library's default, and the only one in which it streams. */
globalThis.callByGrpcWeb = async (url, format) => {
  const client = new GrpcWebClientBase({ format });
  const call = (method, message) =>
    client.unaryCall(`${url}/${BehaviourService.typeName}/${method.name}`, message, {}, descriptorOf(method));
  const { echo, fail, produce } = BehaviourService.method;

  const { text, data } = await call(echo, { text: "grüße", data: new Uint8Array(100_000).fill(7) });
  const errors = [];
  for (let code = 1; code <= 16; code++) {
    errors.push(
      await call(fail, { code, message: "grüße" }).then(
        () => "none",
        (error) => `${error.code} ${error.message}`,
      ),
    );
  }
  const stream = (message) =>
    new Promise((resolve) => {
      const indices = [];
      client
        .serverStreaming(`${url}/${BehaviourService.typeName}/${produce.name}`, message, {}, descriptorOf(produce))
        .on("data", ({ index }) => indices.push(index))
        .on("error", (error) => resolve({ indices, end: error.code }))
        .on("end", () => resolve({ indices, end: "ok" }));
    });
  return {
    echoed: `${text} ${data.length} ${data.every((byte) => byte === 7)}`,
    errors,
    streamed: await stream({ count: 20, size: 1000 }),
    failed: await stream({ count: 3, failCode: 9 }),
  };
};
