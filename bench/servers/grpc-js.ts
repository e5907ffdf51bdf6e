import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import type { handleServerStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { definition } from "../contenders/grpc-js-definition.ts";
import type { EchoRequest, EchoResponse, ProduceRequest, ProduceResponse } from "../gen/plugboard/bench/v1/echo_pb.ts";
import { EchoResponseSchema, ProduceResponseSchema } from "../gen/plugboard/bench/v1/echo_pb.ts";
import { socketPath, tellListening } from "./listening.ts";

const echo: handleUnaryCall<EchoRequest, EchoResponse> = ({ request: { data } }, answer) =>
  answer(null, create(EchoResponseSchema, { data }));

const produce: handleServerStreamingCall<ProduceRequest, ProduceResponse> = async (call) => {
  const { count, size } = call.request;
  const data = new Uint8Array(size);
  for (let index = 0; index < count && !call.cancelled; index++) {
    if (!call.write(create(ProduceResponseSchema, { data }))) {
      await once(call, "drain");
    }
  }
  call.end();
};

const server = new Server();
server.addService(definition, { echo, produce });
server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) {
    throw error;
  }
  tellListening();
});
