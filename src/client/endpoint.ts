import type { ServiceTable } from "../plugin/service-table.ts";

/** What is spoken. "none" is the memory carrier's: nothing is serialised there. */
export type Protocol = "none" | "ttrpc" | "grpc" | "grpc-web" | "connect";

/** What the bytes travel on. */
export type Carrier = "memory" | "message-port" | "unix" | "tcp" | "service-binding" | "http" | "websocket";

/** The part of a Worker's service binding that a call needs. */
export interface ServiceBinding {
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
}

/** Where a plugin is. `text` is the address as a person would write it. */
export type Address =
  | { readonly carrier: "memory"; readonly text: string; readonly table: ServiceTable }
  | { readonly carrier: "unix"; readonly text: string; readonly path: string }
  | { readonly carrier: "tcp"; readonly text: string; readonly host: string; readonly port: number }
  | { readonly carrier: "http"; readonly text: string; readonly url: string }
  | { readonly carrier: "service-binding"; readonly text: string; readonly binding: ServiceBinding }
  | { readonly carrier: "message-port" | "websocket"; readonly text: string };

/** One way to reach a plugin: a protocol, a carrier and an address. */
export interface Endpoint {
  readonly protocol: Protocol;
  readonly address: Address;
  /** True if nobody on the way can read along. */
  readonly encrypted: boolean;
}

/** The endpoint for a protocol at an address. */
export function endpointAt(protocol: Protocol, address: Address): Endpoint {
  return { protocol, address, encrypted: address.carrier === "http" && address.url.startsWith("https:") };
}

/** Says in words which endpoint this is, such as "grpc at unix:/run/markdown.sock". */
export function describeEndpoint({ protocol, address }: Endpoint): string {
  return protocol === "none" ? address.text : `${protocol} at ${address.text}`;
}
