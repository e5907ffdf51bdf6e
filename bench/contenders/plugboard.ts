import type { ConnectOptions } from "plugboard";
import { connect } from "plugboard/node";
import type { Contender, Driver } from "../contender.ts";
import { drive } from "../drive.ts";
import { EchoService } from "../gen/plugboard/bench/v1/echo_pb.ts";
import { builtServer, nodeServer } from "../server-program.ts";
import { serverName } from "./identity.ts";
import { echoClient } from "./transport-client.ts";

export const ttrpc = plugboard("ttrpc", "Plugboard over ttrpc");

export const grpc = plugboard("grpc", "Plugboard over gRPC");

export const connectProtocol = plugboard("connect", "Plugboard over Connect");

/** Ours as everybody uses it: `serve` and `connect`. */
export function plugboard(protocol: "ttrpc" | "grpc" | "connect", title: string, more: ConnectOptions = {}): Contender {
  const options: ConnectOptions = { require: { protocols: [protocol] }, ...more };
  return {
    name: protocol,
    title,
    server: nodeServer("plugboard"),
    builtServer: builtServer("plugboard"),
    connect: (path) => driveAt(`unix:${path}`, options),
    connectTcp: (port, identity) =>
      driveAt(`tcp:127.0.0.1:${port}`, {
        ...options,
        ...(identity && { tls: { ...identity, roots: identity.certificate, serverName } }),
      }),
  };
}

async function driveAt(address: string, options: ConnectOptions): Promise<Driver> {
  const connection = await connect(address, options);
  return drive(echoClient(connection.client(EchoService), () => connection.close()));
}
