import type { Carrier, Endpoint, Protocol } from "../../address/endpoint.ts";
import type { Runtime } from "../../address/runtime.ts";
import type { Capability, HttpVersion } from "./capability.ts";

const protocolNames: Readonly<Record<Protocol, string>> = {
  none: "no protocol",
  ttrpc: "ttrpc",
  grpc: "gRPC",
  "grpc-web": "gRPC-Web",
  connect: "Connect",
};

const carrierNames: Readonly<Record<Carrier | "elsewhere", string>> = {
  memory: "memory",
  "message-port": "message ports",
  unix: "Unix sockets",
  tcp: "TCP",
  "service-binding": "service bindings",
  http: "fetch",
  websocket: "WebSockets",
  custom: "a carrier of your own",
  elsewhere: "unknown carriers",
};

const runtimeNames: Readonly<Record<Runtime, string>> = { node: "Node", workerd: "a Worker", browser: "a browser" };

/**
 * Says in plain words why a caller has no way to an endpoint.
 * @param httpVersion The only version of HTTP that is spoken there, if that is known.
 */
export function whyNotDialed(
  { protocol, address: { carrier } }: Endpoint,
  httpVersion: HttpVersion | undefined,
  runtime: Runtime,
  table: readonly Capability[],
): string {
  const rows = table.filter((row) => row.carrier === carrier);
  const ways = rows.filter((row) => row.protocol === protocol);
  const way = ways.find((row) => httpVersion === undefined || row.httpVersion === httpVersion);
  if (way === undefined && ways.length > 0) {
    return `${protocolNames[protocol]} needs HTTP/${ways[0]?.httpVersion}`;
  }
  if (way === undefined) {
    const spoken = [...new Set(rows.map((row) => protocolNames[row.protocol]))].join(", ") || "nothing";
    return `over ${carrierNames[carrier]} connect() speaks ${spoken}, not ${protocolNames[protocol]}`;
  }
  if (way.carries[runtime] === undefined) {
    return notFrom(carrier, runtime);
  }
  return carrier === "unix" || carrier === "tcp"
    ? `only connect() of "plugboard/node" dials ${carrierNames[carrier]}`
    : `this connect() does not speak ${protocolNames[protocol]} over ${carrierNames[carrier]}`;
}

/** Says why a carrier is of no use to a caller in this runtime. */
export function notFrom(carrier: Endpoint["address"]["carrier"], runtime: Runtime): string {
  return carrier === "service-binding"
    ? "only a Worker can call a service binding"
    : `connect() can't dial ${carrierNames[carrier]} in ${runtimeNames[runtime]}`;
}
