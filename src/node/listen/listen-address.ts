import { isIP } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { parseAddress } from "../../address/address.ts";
import { isLoopback } from "../../base/loopback.ts";
import type { EndpointSchema } from "../../gen/plugboard/plugin/v1/plugin_pb.ts";
import { Carrier, Protocol } from "../../gen/plugboard/plugin/v1/plugin_pb.ts";
import { ttrpcEndpoint } from "../../ttrpc/endpoint.ts";
import type { ServerCredentials } from "../tls/credentials.ts";
import { listenError } from "./errors.ts";

/** An address that a plugin process listens on. */
export type ListenAddress =
  | { readonly carrier: "unix"; readonly path: string }
  | {
      readonly carrier: "tcp";
      readonly host: string;
      readonly port: number;
      /** The first port from `port` to this one that is free. Default: `port` alone. */
      readonly lastPort?: number;
    };

/** Reads the address to listen on; `undefined` if it is none. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const address = addressOf(text);
  if (address?.carrier === "unix") {
    return { carrier: "unix", path: address.path };
  }
  return address?.carrier === "tcp" ? { carrier: "tcp", host: address.host, port: address.port } : undefined;
}

/** The callers of an address. */
export interface Exposure {
  /** The plugin's host, by a handshake. */
  readonly hosted: boolean;
  /** True if callers have to identify themselves. */
  readonly guarded: boolean;
  /** True if a proxy is in front that ends TLS, and only the proxy is served. */
  readonly proxied: boolean;
}

/**
 * Checks that only those can use an address who are meant to: TCP beyond the loopback interface takes TLS, with
 * certificates on both sides or with callers that say who they are, or a proxy that ends TLS; wherever a handshake names
 * it, certificates on both sides.
 * @throws PlugboardError PB-LISTEN-INSECURE
 */
export function checkExposure(
  address: ListenAddress,
  tls: ServerCredentials | undefined,
  { hosted, guarded, proxied }: Exposure,
): void {
  if (address.carrier === "unix" || tls?.hasRoots === true) {
    return;
  }
  const place = `${formatListenAddress(address)}, of the option listen, --listen or PLUGIN_SERVER_ENDPOINT,`;
  const lacks = tls === undefined ? "without encryption" : "to clients without a certificate";
  const mayLeave = tls === undefined ? proxied : guarded;
  if (!isLoopback(address.host) && !mayLeave) {
    throw listenError("PB-LISTEN-INSECURE", `${place} would be open to the network ${lacks}`);
  }
  if (hosted) {
    throw listenError("PB-LISTEN-INSECURE", `a host's plugin would be open to this machine ${lacks}`, {
      hint: 'Let the host load it with tls: "auto" (AutoMTLS in go-plugin), or let it listen on a Unix socket.',
    });
  }
}

/** True if others than this machine can reach an address. */
export function isOnNetwork(address: ListenAddress): boolean {
  return address.carrier === "tcp" && !isLoopback(address.host);
}

/** The address as connect() takes it. */
export function formatListenAddress(address: ListenAddress): string {
  return address.carrier === "unix"
    ? `unix:${address.path}`
    : `tcp:${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`;
}

/**
 * The endpoints of a listener, for its manifest. The address stays empty: where the manifest was got from.
 * @param encrypted True if TLS is spoken there.
 */
export function listenerEndpoints(
  { carrier }: ListenAddress,
  encrypted: boolean,
): MessageInitShape<typeof EndpointSchema>[] {
  const own = carrier === "unix" ? Carrier.UNIX : Carrier.TCP;
  const http = [Protocol.GRPC, Protocol.CONNECT, Protocol.GRPC_WEB].map((protocol) => ({ protocol, carrier: own }));
  const endpoints = [ttrpcEndpoint(own), ...http, ...(carrier === "tcp" ? webEndpoints : [])];
  return endpoints.map((endpoint) => ({ ...endpoint, encrypted }));
}

/** The endpoints of a server that browsers can use. */
const webEndpoints = [
  { protocol: Protocol.CONNECT, carrier: Carrier.HTTP },
  { protocol: Protocol.GRPC_WEB, carrier: Carrier.HTTP },
  ttrpcEndpoint(Carrier.WEBSOCKET),
];

/** Undefined if it is none, which the caller says in terms of the option. */
function addressOf(text: string): ReturnType<typeof parseAddress> | undefined {
  try {
    return parseAddress(text);
  } catch {
    return undefined;
  }
}
