import { isIP } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { parseAddress } from "../client/target.ts";
import type { EndpointSchema } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { Carrier, Protocol } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { PlugboardError } from "../plugin/errors.ts";
import { ttrpcEndpoint } from "../ttrpc/endpoint.ts";

/** Where a plugin process listens. */
export type ListenAddress =
  | { readonly carrier: "unix"; readonly path: string }
  | { readonly carrier: "tcp"; readonly host: string; readonly port: number };

/**
 * Reads the value of --listen.
 * @throws PlugboardError PB-COMMAND-LINE, or PB-LISTEN-INSECURE for TCP beyond the loopback interface.
 */
export function parseListenAddress(text: string): ListenAddress {
  let address: ReturnType<typeof parseAddress> | undefined;
  try {
    address = parseAddress(text);
  } catch {
    // Said below, in terms of the option.
  }
  if (address?.carrier === "unix") {
    return { carrier: "unix", path: address.path };
  }
  if (address?.carrier !== "tcp") {
    throw new PlugboardError("PB-COMMAND-LINE", `--listen ${text} is no address to listen on`);
  }
  if (!isLoopback(address.host)) {
    throw new PlugboardError("PB-LISTEN-INSECURE", `--listen ${text} would be open to the network without encryption`);
  }
  return { carrier: "tcp", host: address.host, port: address.port };
}

/** The address as connect() takes it. */
export function formatListenAddress(address: ListenAddress): string {
  return address.carrier === "unix"
    ? `unix:${address.path}`
    : `tcp:${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`;
}

/** What a listener's manifest offers. The address stays empty: where the manifest was got from. */
export function listenerEndpoints({ carrier }: ListenAddress): MessageInitShape<typeof EndpointSchema>[] {
  const own = carrier === "unix" ? Carrier.UNIX : Carrier.TCP;
  const http = [Protocol.GRPC, Protocol.CONNECT, Protocol.GRPC_WEB].map((protocol) => ({ protocol, carrier: own }));
  return [ttrpcEndpoint(own), ...http, ...(carrier === "tcp" ? webEndpoints : [])];
}

/** What browsers can use of a server. */
const webEndpoints = [
  { protocol: Protocol.CONNECT, carrier: Carrier.HTTP },
  { protocol: Protocol.GRPC_WEB, carrier: Carrier.HTTP },
  ttrpcEndpoint(Carrier.WEBSOCKET),
];

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
