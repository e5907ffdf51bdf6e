import { connect } from "plugboard/node";
import type { Contender } from "../contender.ts";
import { drive } from "../drive.ts";
import { EchoService } from "../gen/plugboard/bench/v1/echo_pb.ts";
import { builtServer, nodeServer } from "../server-program.ts";
import { echoClient } from "./transport-client.ts";

export const ttrpc = plugboard("ttrpc", "Plugboard over ttrpc");

export const grpc = plugboard("grpc", "Plugboard over gRPC");

export const connectProtocol = plugboard("connect", "Plugboard over Connect");

/** Ours as everybody uses it: `serve` and `connect`. */
function plugboard(protocol: "ttrpc" | "grpc" | "connect", title: string): Contender {
  return {
    name: protocol,
    title,
    server: nodeServer("plugboard"),
    builtServer: builtServer("plugboard"),
    async connect(path) {
      const connection = await connect(`unix:${path}`, { require: { protocols: [protocol] } });
      return drive(echoClient(connection.client(EchoService), () => connection.close()));
    },
  };
}
