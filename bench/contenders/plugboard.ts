import { once } from "node:events";
import * as net from "node:net";
import { connect } from "plugboard/node";
import { EchoService } from "../../src/gen/plugboard/bench/v1/echo_pb.ts";
import { socketCarrier } from "../../src/ttrpc/carriers/socket.ts";
import { createTtrpcClient } from "../../src/ttrpc/client.ts";
import type { Contender } from "../contender.ts";
import { drive } from "../drive.ts";
import { builtServer, nodeServer } from "../server-program.ts";
import { echoClient, transportClient } from "./transport-client.ts";

/** Ours over ttrpc with plugboard.stream.v1, client and server put together by hand until connect and serve do it. */
export const ttrpc: Contender = {
  name: "ttrpc",
  title: "Plugboard over ttrpc",
  server: nodeServer("ttrpc"),
  builtServer: builtServer("ttrpc"),
  async connect(path) {
    const client = createTtrpcClient({
      async open() {
        const socket = net.connect(path);
        await once(socket, "connect");
        return socketCarrier(socket);
      },
      address: `unix:${path}`,
      maxMessageBytes: 4 * 1024 * 1024,
    });
    return drive(transportClient(client.extended, () => client.close(new Error("the benchmark is over"))));
  },
};

export const grpc = plugboard("grpc", "Plugboard over gRPC");

export const connectProtocol = plugboard("connect", "Plugboard over Connect");

/** Ours as everybody uses it: `serve` and `connect`. */
function plugboard(protocol: "grpc" | "connect", title: string): Contender {
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
