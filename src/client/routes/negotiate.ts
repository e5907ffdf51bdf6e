import type { Carrier, Endpoint, Protocol } from "../../address/endpoint.ts";
import { describeEndpoint, isSocket } from "../../address/endpoint.ts";
import type { Runtime } from "../../address/runtime.ts";
import type { OptionNames } from "../../plugin/check-options.ts";
import type { Capability, HttpVersion, MethodKind } from "./capability.ts";
import { capabilities, methodKinds } from "./capability.ts";
import { notFrom, whyNotDialed } from "./not-dialed.ts";

/** A pair of protocol and carrier that the caller can dial. */
export interface Dialable {
  readonly protocol: Protocol;
  readonly carrier: Carrier;
  readonly httpVersion?: HttpVersion;
  /** Can use certificates of the caller's for https:. */
  readonly takesTls?: true;
}

/** An offer of a plugin: an endpoint, or one that is known not to work, with the reason. */
export interface Offer {
  readonly endpoint: Endpoint;
  /** The only version of HTTP that this is said of, where the carrier knows more than one. Default: all of them. */
  readonly httpVersion?: HttpVersion;
  readonly refused?: string;
}

/** The caller's requirements. */
export interface Requirements {
  /**
   * Calls go only where they can't be read on the way. These count: https:, sockets on which TLS is spoken (see the
   * option `tls`), a Worker's service binding, and a plugin in this process. A Unix socket without TLS does not, even
   * in a private directory: its traffic is not encrypted.
   */
  readonly encryption?: boolean;
  /** Only these protocols. The memory route speaks none, and is always allowed. */
  readonly protocols?: readonly Exclude<Protocol, "none">[];
  /** Only this version of HTTP, where a carrier knows more than one. */
  readonly httpVersion?: HttpVersion;
}

/** The names of requirements. */
export const requirementNames: OptionNames<Requirements> = { encryption: true, protocols: true, httpVersion: true };

/** A way that a call can take. */
export interface Route<D extends Dialable = Dialable> {
  /** Short name for people, such as "unix+grpc" or "memory". */
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly capability: Capability;
  readonly dialer: D;
}

/** An endpoint that was skipped. */
export interface Rejection {
  /** The endpoint that was skipped, such as "connect at unix:/run/markdown.sock (HTTP/1.1)". */
  readonly endpoint: string;
  readonly reason: string;
}

/** The outcome for one kind of method. */
export interface RoutesOfKind<D extends Dialable = Dialable> {
  /** Best first: the first is the route, the rest are its fallbacks. */
  readonly routes: readonly Route<D>[];
  readonly rejected: readonly Rejection[];
}

/** The outcome of a negotiation. */
export type Routes<D extends Dialable = Dialable> = Readonly<Record<MethodKind, RoutesOfKind<D>>>;

/** The input of a negotiation. */
export interface NegotiateInput<D extends Dialable> {
  readonly runtime: Runtime;
  readonly dialers: readonly D[];
  readonly offers: readonly Offer[];
  readonly requirements?: Requirements;
  /** True if the caller speaks TLS on sockets, and by https: with certificates of its own. Default: false. */
  readonly tls?: boolean;
  /** The capability table. Default: `capabilities`. */
  readonly table?: readonly Capability[];
}

/**
 * Decides which way the calls of each kind of method take. A pure function: the same input gives the same routes, and
 * the order of offers only decides between those that cost the same.
 */
export function negotiate<D extends Dialable>(input: NegotiateInput<D>): Routes<D> {
  const { runtime, offers, table = capabilities } = input;
  const outcomes = withoutDoubles(offers).flatMap((offer) => assess(offer, input));
  const ofKind = (kind: MethodKind): RoutesOfKind<D> => {
    const routes: Route<D>[] = [];
    const rejected: Rejection[] = [];
    for (const outcome of outcomes) {
      if ("reason" in outcome) {
        rejected.push(outcome);
        continue;
      }
      const carries = outcome.capability.carries[runtime]?.[kind];
      if (carries === true) {
        routes.push(outcome);
      } else {
        rejected.push({
          endpoint: describeRoute(outcome),
          reason: carries ?? notFrom(outcome.endpoint.address.carrier, runtime),
        });
      }
    }
    routes.sort((a, b) => table.indexOf(a.capability) - table.indexOf(b.capability));
    return { routes, rejected };
  };
  const [unary, server_streaming, client_streaming, bidi_streaming] = methodKinds.map(ofKind) as [
    RoutesOfKind<D>,
    RoutesOfKind<D>,
    RoutesOfKind<D>,
    RoutesOfKind<D>,
  ];
  return { unary, server_streaming, client_streaming, bidi_streaming };
}

/** Turns an offer into the routes it opens, one for each dialer that fits, or into the reason why it opens none. */
function assess<D extends Dialable>(
  offer: Offer,
  { runtime, dialers, requirements = {}, tls = false, table = capabilities }: NegotiateInput<D>,
): readonly (Route<D> | Rejection)[] {
  const { endpoint, httpVersion: only, refused } = offer;
  const reject = (reason: string): Rejection[] => [{ endpoint: describeWay(endpoint, only), reason }];
  if (refused !== undefined) {
    return reject(refused);
  }
  const { protocol, address } = endpoint;
  const { encryption = false, protocols, httpVersion } = requirements;
  if (protocols !== undefined && protocol !== "none" && !protocols.includes(protocol)) {
    return reject(`the caller allows only ${protocols.join(", ")}`);
  }
  const rows = table.filter(
    (row) =>
      row.protocol === protocol && row.carrier === address.carrier && (only === undefined || row.httpVersion === only),
  );
  const candidates = rows.flatMap((capability) =>
    dialers
      .filter((dialer) => sameWay(dialer, capability))
      .map((dialer): Route<D> => ({ name: routeName(capability), endpoint, capability, dialer })),
  );
  if (candidates.length === 0) {
    return reject(whyNotDialed(endpoint, only, runtime, table));
  }
  return candidates.map((route) => {
    const { capability } = route;
    const unfit = unfitForTls(route, tls);
    if (unfit !== undefined) {
      return { endpoint: describeRoute(route), reason: unfit };
    }
    if (encryption && !endpoint.encrypted && !capability.private) {
      return { endpoint: describeRoute(route), reason: "not encrypted, and the caller requires encryption" };
    }
    if (httpVersion !== undefined && capability.httpVersion !== undefined && capability.httpVersion !== httpVersion) {
      return { endpoint: describeRoute(route), reason: `the caller allows only HTTP/${httpVersion}` };
    }
    if (capability.carries[runtime] === undefined) {
      return { endpoint: describeRoute(route), reason: notFrom(endpoint.address.carrier, runtime) };
    }
    return route;
  });
}

function sameWay(a: Dialable, b: Dialable): boolean {
  return a.protocol === b.protocol && a.carrier === b.carrier && a.httpVersion === b.httpVersion;
}

function withoutDoubles(offers: readonly Offer[]): readonly Offer[] {
  return offers.filter(
    (offer, index) => !offers.some((other, place) => place !== index && makesNeedless(other, offer, place < index)),
  );
}

/** The reason why a route can't be taken by a caller who speaks TLS on sockets, or by one who doesn't. */
function unfitForTls({ endpoint, dialer }: Route, tls: boolean): string | undefined {
  const { encrypted, address } = endpoint;
  if (isSocket(address) && encrypted !== tls) {
    return tls
      ? "the server does not use TLS, and the caller requires it (`tls`)"
      : "the server requires TLS: give the option `tls`";
  }
  return tls && encrypted && !isSocket(address) && dialer.takesTls !== true
    ? "the caller's certificates (`tls`) can't be used there"
    : undefined;
}

/** True if an offer says all that another says; of one that was refused and one that works, the latter counts. */
function makesNeedless(offer: Offer, other: Offer, isFirst: boolean): boolean {
  const wider = offer.httpVersion === undefined && other.httpVersion !== undefined;
  const better = offer.refused === undefined && other.refused !== undefined;
  const worse = offer.refused !== undefined && other.refused === undefined;
  return (
    sameEndpoint(offer.endpoint, other.endpoint) &&
    (wider || offer.httpVersion === other.httpVersion) &&
    !worse &&
    (wider || better || isFirst)
  );
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  if (a.protocol !== b.protocol || a.address.carrier !== b.address.carrier || a.encrypted !== b.encrypted) {
    return false;
  }
  // What a text does not name for certain, the object does.
  const named = a.address.carrier !== "memory" && a.address.carrier !== "service-binding";
  return named ? a.address.text === b.address.text : a.address === b.address;
}

function routeName({ protocol, carrier, httpVersion }: Capability): string {
  const name = protocol === "none" ? carrier : `${carrier}+${protocol}`;
  return httpVersion === "1.1" ? `${name} (HTTP/1.1)` : name;
}

function describeRoute({ endpoint, capability }: Route): string {
  return describeWay(endpoint, capability.httpVersion);
}

function describeWay(endpoint: Endpoint, httpVersion: HttpVersion | undefined): string {
  return describeEndpoint(endpoint) + (httpVersion === undefined ? "" : ` (HTTP/${httpVersion})`);
}
