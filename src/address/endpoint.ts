import type { ServiceTable } from "../plugin/service-table.ts";
import type { CarrierConnection } from "../ttrpc/carrier.ts";
import type { MessagePortLike } from "../ttrpc/carriers/message-port.ts";

/** The protocol that is spoken. "none" is the memory carrier's: nothing is serialised there. */
export type Protocol = "none" | "ttrpc" | "grpc" | "grpc-web" | "connect";

/** The carrier that the bytes travel on. */
export type Carrier = "memory" | "message-port" | "unix" | "tcp" | "service-binding" | "http" | "websocket" | "custom";

/** The part of a Worker's service binding that a call needs. */
export interface ServiceBinding {
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
}

/** A carrier of your own. */
export interface CarrierTarget {
  /** For messages, such as "the serial port". */
  readonly name: string;
  /** Opens a connection; called again when that was lost. */
  open(): Promise<CarrierConnection>;
}

/** The place of a plugin. `text` is the address as a person would write it. */
export type Address =
  | { readonly carrier: "memory"; readonly text: string; readonly table: ServiceTable }
  | { readonly carrier: "unix"; readonly text: string; readonly path: string }
  | { readonly carrier: "tcp"; readonly text: string; readonly host: string; readonly port: number }
  | { readonly carrier: "http"; readonly text: string; readonly url: string }
  | { readonly carrier: "service-binding"; readonly text: string; readonly binding: ServiceBinding }
  | { readonly carrier: "message-port"; readonly text: string; readonly port: MessagePortLike }
  | { readonly carrier: "websocket"; readonly text: string; readonly url: string }
  | { readonly carrier: "custom"; readonly text: string; readonly open: () => Promise<CarrierConnection> }
  /** One that a manifest mentions and that can't be dialed from here. */
  | { readonly carrier: "elsewhere"; readonly text: string };

/** One way to reach a plugin: a protocol, a carrier and an address. */
export interface Endpoint {
  readonly protocol: Protocol;
  readonly address: Address;
  /** True if no one on the way can read along. */
  readonly encrypted: boolean;
  /** Extensions of the protocol that the plugin knows, such as "plugboard.stream.v1". */
  readonly extensions: readonly string[];
  readonly limits: EndpointLimits;
}

/** The limits that a plugin's manifest names for an endpoint; those that it does not name are unknown. */
export interface EndpointLimits {
  /** Longest message, in bytes. */
  readonly maxMessageBytes?: number;
  /** Calls that one ttrpc connection may have in flight. */
  readonly maxConcurrentStreams?: number;
}

/** Properties of an endpoint beside protocol and address. */
export interface EndpointProperties {
  /** Extensions of the protocol that the plugin knows. Default: none. */
  readonly extensions?: readonly string[];
  /** The plugin's limits. Default: unknown. */
  readonly limits?: EndpointLimits;
  /** True if TLS is spoken there, where the address does not say so itself. Default: false. */
  readonly encrypted?: boolean;
}

/** The endpoint for a protocol at an address. */
export function endpointAt(protocol: Protocol, address: Address, properties: EndpointProperties = {}): Endpoint {
  const { extensions = [], limits = {}, encrypted = false } = properties;
  const secure = "url" in address ? /^(?:https|wss):/.test(address.url) : encrypted && isSocket(address);
  return { protocol, address, encrypted: secure, extensions, limits };
}

/** True for the address of a socket, which itself says nothing of TLS. */
export function isSocket({ carrier }: Pick<Address, "carrier">): boolean {
  return carrier === "unix" || carrier === "tcp";
}

/** Says in words which endpoint this is, such as "grpc at unix:/run/markdown.sock". */
export function describeEndpoint({ protocol, address }: Endpoint): string {
  return protocol === "none" ? address.text : `${protocol} at ${address.text}`;
}
