import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import type { handleServerStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { definition } from "../contenders/grpc-js-definition.ts";
import type {
  EchoRequest,
  EchoResponse,
  HoldRequest,
  HoldResponse,
  ProduceRequest,
  ProduceResponse,
} from "../gen/plugboard/bench/v1/echo_pb.ts";
import { EchoResponseSchema, HoldResponseSchema, ProduceResponseSchema } from "../gen/plugboard/bench/v1/echo_pb.ts";
import { tellListening } from "./listening.ts";
import { identity, place } from "./place.ts";

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

const hold: handleServerStreamingCall<HoldRequest, HoldResponse> = (call) => {
  call.write(create(HoldResponseSchema));
};

const server = new Server({ "grpc.max_receive_message_length": -1 });
server.addService(definition, { echo, produce, hold });
const address = "path" in place ? `unix:${place.path}` : `${place.host}:${place.port}`;
const secure =
  identity === undefined
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(
        Buffer.from(identity.certificate),
        [{ cert_chain: Buffer.from(identity.certificate), private_key: Buffer.from(identity.key) }],
        true,
      );
server.bindAsync(address, secure, (error) => {
  if (error !== null) {
    throw error;
  }
  tellListening();
});
