import type { Interceptor, Transport } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import type { DialableAddress } from "../address/address.ts";
import { parseAddress } from "../address/address.ts";
import type { Protocol } from "../address/endpoint.ts";
import { endpointAt } from "../address/endpoint.ts";
import type { Runtime } from "../address/runtime.ts";
import type { PlugboardError } from "../base/errors.ts";
import { isPlugboardError } from "../base/errors.ts";
import { printableLine } from "../base/printable.ts";
import type { Manifest } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { PluginService } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { interceptTransport } from "./calls/intercepted-transport.ts";
import { isServersWord } from "./calls/wire-errors.ts";
import type { Dialer } from "./dialers/dialer.ts";
import { callerRefused } from "./dialers/failures/caller-refused.ts";
import { tlsFailureIn } from "./dialers/failures/tls-failure.ts";
import type { TransportPool } from "./dialers/transport-pool.ts";
import { readManifest } from "./read-manifest.ts";
import type { Capability } from "./routes/capability.ts";
import { capabilities } from "./routes/capability.ts";
import type { Offer, Requirements, Route } from "./routes/negotiate.ts";
import { negotiate } from "./routes/negotiate.ts";

/** The offers and the manifest at an address. */
export interface Discovery {
  readonly offers: readonly Offer[];
  /** Undefined for a server that has no PluginService, or does not let this caller see it, or that does not respond. */
  readonly manifest?: Manifest;
  /** It wants to know who calls before it says what it is: a server with `auth`, most likely. */
  readonly asksWhoCalls?: true;
  /** The reason why nothing at all can be had there, if it is TLS or the caller. */
  readonly failure?: PlugboardError;
}

/** Options for discovery. */
export interface DiscoverOptions {
  readonly runtime: Runtime;
  readonly dialers: readonly Dialer[];
  readonly requirements: Requirements;
  readonly pool: TransportPool;
  /** The caller's: a plugin may want to know who asks. */
  readonly interceptors: readonly Interceptor[];
  readonly protocolVersions: readonly number[];
  /** Milliseconds to wait for a response, over all protocols together. */
  readonly dialTimeoutMs: number;
  /** True if TLS is spoken on sockets, and by https: with certificates of the caller's. */
  readonly tls: boolean;
  readonly signal?: AbortSignal;
}

/** The protocols to try at an address of which nothing else is known: its scheme stands for its endpoints. */
const protocolsOf = {
  unix: ["ttrpc", "grpc", "connect"],
  tcp: ["ttrpc", "grpc", "connect"],
  "service-binding": ["connect", "grpc-web"],
  http: ["connect", "grpc-web"],
  websocket: ["ttrpc"],
  "message-port": ["ttrpc"],
  custom: ["ttrpc"],
} as const satisfies Record<DialableAddress["carrier"], readonly Protocol[]>;

/**
 * Asks the place behind an address for its manifest, over one protocol after the other, the cheapest first and each on
 * a connection of its own, until one is understood. That has no side effects, so a lost response does no harm. Any
 * response in the protocol's own words is from a server of it: proxies, access rules and servers of other makers have
 * all kinds of codes for a method that they don't know.
 */
export async function discover(asked: DialableAddress, options: DiscoverOptions): Promise<Discovery> {
  const { runtime, dialers, requirements, pool, dialTimeoutMs, tls } = options;
  const address = placeToAsk(asked, requirements);
  const guesses = protocolsOf[address.carrier].map(
    (protocol): Offer => ({ endpoint: endpointAt(protocol, address, { encrypted: tls }) }),
  );
  const { routes } = negotiate({ runtime, dialers, offers: guesses, requirements, tls }).unary;
  const deadline = performance.now() + dialTimeoutMs;
  const failures = new Map<Capability, string>();
  const unsure = new Set<Capability>();
  const known = (offers: readonly Offer[]) => offers.flatMap((offer) => withoutFailed(offer, address, failures));
  const knowsNoPath = (protocol: Protocol) => [...unsure].some((each) => each.protocol === protocol);
  for (const route of routes) {
    const { capability } = route;
    if (knowsNoPath(capability.protocol)) {
      // It would say the same over another version of HTTP.
      continue;
    }
    // Others than us speak ttrpc rarely, and some wait for ever for the rest of what is no request to them.
    const patienceMs = capability.protocol === "ttrpc" && routes.length > 1 ? ttrpcPatienceMs : dialTimeoutMs;
    const until = Math.min(deadline, performance.now() + patienceMs);
    const reply = await describe(pool.get(route), route, until, options);
    if (reply.kind !== "manifest" && mayDialAnew(address)) {
      // Servers end connections on which they were asked what they don't know, some without saying so.
      await pool.drop(route);
    }
    if (reply.kind === "manifest") {
      const { manifest, offers } = readManifest(reply.manifest, address, tls);
      const offered = offers.length > 0 ? offers : refuse(guesses, "its manifest names no endpoint that is known here");
      return { offers: known(offered), manifest };
    }
    if (reply.kind === "shut") {
      // It would be no better in another protocol.
      const { failure } = reply;
      return { offers: refuse(guesses, brief(failure.rawMessage)), failure };
    }
    if (reply.kind === "misunderstood") {
      failures.set(capability, reply.reason);
      continue;
    }
    if (reply.kind === "silent" && until < deadline) {
      failures.set(capability, noResponse(patienceMs));
      continue;
    }
    if (reply.kind === "silent") {
      for (const each of routes) {
        failures.set(each.capability, failures.get(each.capability) ?? noResponse(dialTimeoutMs));
      }
      break;
    }
    if (reply.kind === "foreign") {
      for (const other of unsure) {
        failures.set(
          other,
          `it responds to ${other.protocol} with a plain 404, and ${capability.protocol} in its own words`,
        );
      }
      return { offers: known(guesses), ...(reply.asksWhoCalls && { asksWhoCalls: true }) };
    }
    unsure.add(capability);
  }
  if (knowsNoPath("connect")) {
    // Servers of gRPC alone and of gRPC-Web alone say in their protocol that they know no such service. Those that serve
    // Connect say just "404", whatever they are asked in.
    for (const other of unsure) {
      if (other.protocol !== "connect") {
        failures.set(other, `it responds to ${other.protocol} with a plain 404, as Connect servers do`);
      }
    }
  }
  return { offers: known(guesses) };
}

const noResponse = (timeoutMs: number) => `no response within ${timeoutMs} ms`;

/** True if a connection can be given up for another. A message port can't, nor can a carrier of the caller's. */
function mayDialAnew({ carrier }: DialableAddress): boolean {
  return carrier !== "message-port" && carrier !== "custom";
}

/** A caller who wants nothing but ttrpc of a place on the web means its WebSocket. */
function placeToAsk(address: DialableAddress, { protocols }: Requirements): DialableAddress {
  return address.carrier === "http" && protocols?.every((protocol) => protocol === "ttrpc") && protocols.length > 0
    ? parseAddress(address.url.replace(/^http/, "ws"))
    : address;
}

/**
 * Takes from an offer at an address the ways that were found not to work. If that is so for some versions of HTTP only,
 * or for different reasons, it becomes an offer for each version.
 */
function withoutFailed(
  offer: Offer,
  { carrier, text }: DialableAddress,
  failures: ReadonlyMap<Capability, string>,
): readonly Offer[] {
  const { protocol, address } = offer.endpoint;
  if (offer.refused !== undefined || address.carrier !== carrier || address.text !== text) {
    return [offer];
  }
  const ways = capabilities.filter((row) => row.protocol === protocol && row.carrier === carrier);
  const offers = ways.map((way): Offer => {
    const refused = failures.get(way);
    return refused === undefined ? offer : { ...offer, refused };
  });
  const [first = offer] = offers;
  return offers.every((each) => each.refused === first.refused)
    ? [first]
    : offers.map((each, index) => {
        const httpVersion = ways[index]?.httpVersion;
        return httpVersion === undefined ? each : { ...each, httpVersion };
      });
}

type Reply =
  | { readonly kind: "manifest"; readonly manifest: Manifest }
  /** It speaks the protocol, and has no PluginService for this caller. */
  | { readonly kind: "foreign"; readonly asksWhoCalls: boolean }
  /** It knows no such path, and does not say so in the protocol. */
  | { readonly kind: "unsure" }
  /** TLS can't be agreed on with it, or it lets in known callers only. */
  | { readonly kind: "shut"; readonly failure: PlugboardError }
  | { readonly kind: "silent" }
  | { readonly kind: "misunderstood"; readonly reason: string };

/** Milliseconds to wait for a response in ttrpc where other protocols can be had. */
const ttrpcPatienceMs = 1_000;

async function describe(
  transport: Transport,
  { capability: { protocol }, endpoint: { address } }: Route,
  deadline: number,
  options: DiscoverOptions,
): Promise<Reply> {
  const { protocolVersions, signal } = options;
  const timeoutMs = Math.ceil(deadline - performance.now());
  const client = createClient(PluginService, interceptTransport(transport, options.interceptors));
  try {
    const { manifest } = await client.describe(
      { protocolVersions: [...protocolVersions] },
      { timeoutMs, ...(signal && { signal }) },
    );
    return manifest === undefined
      ? { kind: "misunderstood", reason: "its manifest is empty" }
      : { kind: "manifest", manifest };
  } catch (cause) {
    signal?.throwIfAborted();
    const failure = tlsFailureIn(cause, address.text);
    if (failure !== undefined) {
      return { kind: "shut", failure };
    }
    if (isPlugboardError(cause, "PB-CALLER-REFUSED")) {
      return { kind: "shut", failure: cause };
    }
    const error = ConnectError.from(cause);
    // What an interceptor of the caller's says in the server's place comes over no wire.
    if (error.code === Code.Unimplemented && !error.isWireError) {
      return { kind: "foreign", asksWhoCalls: false };
    }
    // Some proxies add an HTTP status that is none of gRPC's.
    if (isServersWord(error) || (protocol !== "connect" && error.metadata.has("grpc-status"))) {
      return { kind: "foreign", asksWhoCalls: error.code === Code.Unauthenticated };
    }
    switch (error.code) {
      // Connect's own words for a response that is not of the protocol.
      case Code.Unimplemented:
        return error.rawMessage === "HTTP 404"
          ? { kind: "unsure" }
          : { kind: "misunderstood", reason: brief(error.rawMessage) };
      case Code.DeadlineExceeded:
        return { kind: "silent" };
      case Code.Unauthenticated:
        return {
          kind: "shut",
          failure: callerRefused(`${address.text} responds with ${brief(error.rawMessage)}`, error),
        };
      default:
        return { kind: "misunderstood", reason: reasonOf(error) };
    }
  }
}

/** The message of an error; for one of fetch, which says only that it failed, its cause. */
function reasonOf({ rawMessage, cause }: ConnectError): string {
  const why = cause instanceof TypeError && cause.cause instanceof Error ? cause.cause.message : "";
  return brief(why === "" || rawMessage !== "fetch failed" ? rawMessage : `${rawMessage}: ${why}`);
}

/** The first line of an error, which may be the server's own words: the rest does not belong into a table of reasons. */
function brief(message: string): string {
  return printableLine(message.split("\n", 1)[0] ?? message);
}

function refuse(offers: readonly Offer[], refused: string): readonly Offer[] {
  return offers.map((offer) => ({ ...offer, refused }));
}
