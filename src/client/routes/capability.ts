import type { DescMethod } from "@bufbuild/protobuf";
import type { Carrier, Protocol } from "../../address/endpoint.ts";
import type { Runtime } from "../../address/runtime.ts";

/** The sides of a method that stream, in Connect's words. */
export type MethodKind = DescMethod["methodKind"];

/** All four kinds of method. */
export const methodKinds = [
  "unary",
  "server_streaming",
  "client_streaming",
  "bidi_streaming",
] as const satisfies MethodKind[];

/** Version of HTTP underneath a protocol. */
export type HttpVersion = "1.1" | "2";

/** For each kind of method: true, or why it can't be carried. */
export type Carries = Readonly<Record<MethodKind, true | string>>;

/** The kinds of methods that a (protocol, carrier) pair can carry. */
export interface Capability {
  readonly protocol: Protocol;
  readonly carrier: Carrier;
  /** Only where the same protocol on the same carrier can do more over one version than over another. */
  readonly httpVersion?: HttpVersion;
  /** By the caller's runtime. A runtime that can't use the pair at all is left out. */
  readonly carries: Readonly<Partial<Record<Runtime, Carries>>>;
  /** The bytes leave neither the process nor the platform, so that there is nothing to encrypt. Default: false. */
  readonly private?: boolean;
}

const all: Carries = { unary: true, server_streaming: true, client_streaming: true, bidi_streaming: true };

const noFullDuplex: Carries = {
  ...all,
  bidi_streaming: "HTTP/1.1 can't carry both directions of a call at once",
};

const noRequestStream = "fetch can't stream a request body in a browser";
const browser: Carries = { ...all, client_streaming: noRequestStream, bidi_streaming: noRequestStream };

const noFullDuplexOnTheWeb =
  "proxies on the way may hold a request back until its end, so it can't carry both directions at once";
const halfDuplex: Carries = { ...all, bidi_streaming: noFullDuplexOnTheWeb };

const everywhere = { node: all, workerd: all, browser: all } as const;
const web = { node: halfDuplex, workerd: halfDuplex, browser } as const;

/**
 * The table at the heart of negotiation: every (protocol, carrier) pair there is, cheapest first. The order of the
 * rows is the order of preference.
 */
export const capabilities: readonly Capability[] = [
  { protocol: "none", carrier: "memory", carries: everywhere, private: true },
  { protocol: "ttrpc", carrier: "message-port", carries: everywhere, private: true },
  { protocol: "ttrpc", carrier: "unix", carries: { node: all } },
  { protocol: "ttrpc", carrier: "custom", carries: everywhere },
  { protocol: "connect", carrier: "service-binding", carries: { workerd: all }, private: true },
  { protocol: "grpc-web", carrier: "service-binding", carries: { workerd: all }, private: true },
  { protocol: "grpc", carrier: "unix", httpVersion: "2", carries: { node: all } },
  { protocol: "connect", carrier: "unix", httpVersion: "2", carries: { node: all } },
  { protocol: "connect", carrier: "unix", httpVersion: "1.1", carries: { node: noFullDuplex } },
  { protocol: "ttrpc", carrier: "tcp", carries: { node: all } },
  { protocol: "grpc", carrier: "tcp", httpVersion: "2", carries: { node: all } },
  { protocol: "connect", carrier: "tcp", httpVersion: "2", carries: { node: all } },
  { protocol: "connect", carrier: "tcp", httpVersion: "1.1", carries: { node: noFullDuplex } },
  { protocol: "connect", carrier: "http", carries: web },
  { protocol: "grpc-web", carrier: "http", carries: web },
  { protocol: "ttrpc", carrier: "websocket", carries: everywhere },
];
