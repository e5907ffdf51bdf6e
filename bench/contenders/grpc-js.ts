import { create } from "@bufbuild/protobuf";
import type { CallOptions } from "@grpc/grpc-js";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import type { Contender, Driver } from "../contender.ts";
import { header, timeoutMs } from "../contender.ts";
import { drive } from "../drive.ts";
import { EchoRequestSchema, HoldRequestSchema, ProduceRequestSchema } from "../gen/plugboard/bench/v1/echo_pb.ts";
import { builtServer, nodeServer } from "../server-program.ts";
import { definition } from "./grpc-js-definition.ts";
import { serverName } from "./identity.ts";

/** The gRPC of Node. */
export const grpcJs: Contender = {
  name: "grpc-js",
  title: "@grpc/grpc-js",
  server: nodeServer("grpc-js"),
  builtServer: builtServer("grpc-js"),
  connect: async (path) => driveGrpc(new Client(`unix:${path}`, credentials.createInsecure(), anySize)),
  async connectTcp(port, identity) {
    const secure =
      identity === undefined
        ? credentials.createInsecure()
        : credentials.createSsl(
            ...[identity.certificate, identity.key, identity.certificate].map((pem) => Buffer.from(pem)),
          );
    return driveGrpc(
      new Client(`127.0.0.1:${port}`, secure, { ...anySize, "grpc.ssl_target_name_override": serverName }),
    );
  },
};

/** By default it takes no message above 4 MiB. */
const anySize = { "grpc.max_receive_message_length": -1 };

function driveGrpc(client: Client): Driver {
  const { echo, produce, hold } = definition;
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
    hold: () =>
      client.makeServerStreamRequest(
        hold.path,
        hold.requestSerialize,
        hold.responseDeserialize,
        create(HoldRequestSchema),
        metadata(),
        {},
      ),
    close: () => client.close(),
  });
}

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
