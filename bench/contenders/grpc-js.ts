import { create } from "@bufbuild/protobuf";
import type { CallOptions } from "@grpc/grpc-js";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import type { Contender } from "../contender.ts";
import { header, timeoutMs } from "../contender.ts";
import { drive } from "../drive.ts";
import { EchoRequestSchema, ProduceRequestSchema } from "../gen/plugboard/bench/v1/echo_pb.ts";
import { builtServer, nodeServer } from "../server-program.ts";
import { definition } from "./grpc-js-definition.ts";

/** The gRPC of Node. */
export const grpcJs: Contender = {
  name: "grpc-js",
  title: "@grpc/grpc-js",
  server: nodeServer("grpc-js"),
  builtServer: builtServer("grpc-js"),
  async connect(path) {
    const client = new Client(`unix:${path}`, credentials.createInsecure());
    const { echo, produce } = definition;
    return drive({
      unary(data, signal) {
        return new Promise((resolve, reject) => {
          const call = client.makeUnaryRequest(
            echo.path,
            echo.requestSerialize,
            echo.responseDeserialize,
            create(EchoRequestSchema, { data }),
            metadata(),
            options(),
            (error, response) => {
              signal.removeEventListener("abort", cancel);
              if (error !== null || response === undefined) {
                reject(error);
              } else {
                resolve(response.data);
              }
            },
          );
          const cancel = () => call.cancel();
          signal.addEventListener("abort", cancel);
        });
      },
      async *stream(count, size, signal) {
        const call = client.makeServerStreamRequest(
          produce.path,
          produce.requestSerialize,
          produce.responseDeserialize,
          create(ProduceRequestSchema, { count, size }),
          metadata(),
          options(),
        );
        const cancel = () => call.cancel();
        signal.addEventListener("abort", cancel);
        for await (const { data } of call) {
          yield data;
        }
        signal.removeEventListener("abort", cancel);
      },
      close: () => client.close(),
    });
  },
};

function metadata(): Metadata {
  const made = new Metadata();
  for (const [key, value] of Object.entries(header)) {
    made.set(key, value);
  }
  return made;
}

function options(): CallOptions {
  return { deadline: Date.now() + timeoutMs };
}
