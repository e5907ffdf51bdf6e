import type { DialableAddress } from "../address/address.ts";
import { parseAddress, withoutCredentials } from "../address/address.ts";
import type { Carrier, Endpoint, EndpointLimits, Protocol } from "../address/endpoint.ts";
import { endpointAt } from "../address/endpoint.ts";
import { printableLine } from "../base/printable.ts";
import type { Manifest, Endpoint as WireEndpoint } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import { Carrier as WireCarrier, Protocol as WireProtocol } from "../gen/plugboard/plugin/v1/plugin_pb.ts";
import type { Offer } from "./routes/negotiate.ts";

const protocols: Readonly<Partial<Record<WireProtocol, Protocol>>> = {
  [WireProtocol.CONNECT]: "connect",
  [WireProtocol.GRPC]: "grpc",
  [WireProtocol.GRPC_WEB]: "grpc-web",
  [WireProtocol.TTRPC]: "ttrpc",
};

type WireableCarrier = Exclude<Carrier, "memory">;

const carriers: Readonly<Partial<Record<WireCarrier, WireableCarrier>>> = {
  [WireCarrier.MESSAGE_PORT]: "message-port",
  [WireCarrier.UNIX]: "unix",
  [WireCarrier.TCP]: "tcp",
  [WireCarrier.SERVICE_BINDING]: "service-binding",
  [WireCarrier.HTTP]: "http",
  [WireCarrier.WEBSOCKET]: "websocket",
  [WireCarrier.CUSTOM]: "custom",
};

/**
 * Most endpoints of one manifest that are looked at. A plugin has a handful; every further one costs time and fills what
 * people read.
 */
const maxEndpoints = 64;

/** The checked content of a manifest. */
export interface ReadManifest {
  /** Without what a terminal would obey. */
  readonly manifest: Manifest;
  /** Empty if the manifest names no endpoint that is known here. */
  readonly offers: readonly Offer[];
}

/**
 * Reads the manifest that was received from an address. Nothing in it is trusted.
 * @param tls True if TLS was spoken, where that address is a socket.
 */
export function readManifest(manifest: Manifest, source: DialableAddress, tls: boolean): ReadManifest {
  const limits = readLimits(manifest);
  const offers = manifest.endpoints.slice(0, maxEndpoints).flatMap((endpoint) => {
    const protocol = protocols[endpoint.protocol];
    const carrier = carriers[endpoint.carrier];
    // From a newer manifest than this client knows.
    return protocol === undefined || carrier === undefined
      ? []
      : [offerOf(endpoint, protocol, carrier, source, tls, limits)];
  });
  const more = manifest.endpoints.length - maxEndpoints;
  return { manifest: printableManifest(manifest), offers: more > 0 ? [...offers, notLookedAt(more, source)] : offers };
}

/** Zero stands for what is left out. */
function readLimits({ limits }: Manifest): EndpointLimits {
  const { maxMessageBytes = 0n, maxConcurrentStreams = 0 } = limits ?? {};
  return {
    ...(maxMessageBytes > 0n && { maxMessageBytes: Number(maxMessageBytes) }),
    ...(maxConcurrentStreams > 0 && { maxConcurrentStreams }),
  };
}

function printableManifest(manifest: Manifest): Manifest {
  return {
    ...manifest,
    name: printableLine(manifest.name),
    version: printableLine(manifest.version),
    description: printableLine(manifest.description),
    services: manifest.services.map((service) => ({
      ...service,
      name: printableLine(service.name),
      methods: service.methods.map((method) => ({ ...method, name: printableLine(method.name) })),
    })),
    endpoints: manifest.endpoints.map((endpoint) => ({
      ...endpoint,
      address: printableLine(endpoint.address),
      extensions: endpoint.extensions.map((extension) => printableLine(extension)),
    })),
    dependencies: manifest.dependencies.map((dependency) => ({
      ...dependency,
      name: printableLine(dependency.name),
      versionRange: printableLine(dependency.versionRange),
    })),
  };
}

function notLookedAt(count: number, source: DialableAddress): Offer {
  const text = `${count} more endpoints of ${source.text}`;
  return {
    endpoint: endpointAt("none", { carrier: "elsewhere", text }),
    refused: `its manifest names more than ${maxEndpoints}`,
  };
}

function offerOf(
  { address, extensions, encrypted }: WireEndpoint,
  protocol: Protocol,
  carrier: WireableCarrier,
  source: DialableAddress,
  tls: boolean,
  limits: EndpointLimits,
): Offer {
  if (address === "") {
    const same = carrier === source.carrier ? source : sameHost(source, carrier);
    return same !== undefined
      ? { endpoint: endpointAt(protocol, same, { extensions, limits, encrypted: tls }) }
      : { endpoint: unnamed(protocol, carrier), refused: withoutAddress(carrier, source) };
  }
  const shown = unnamed(protocol, printableLine(withoutCredentials(address)));
  if (carrier !== "unix" && carrier !== "tcp" && carrier !== "http" && carrier !== "websocket") {
    return { endpoint: shown, refused: `no address can name a ${carrier}` };
  }
  const named = readAddress(address);
  if (named === undefined) {
    return { endpoint: shown, refused: "its address can't be read" };
  }
  const endpoint = endpointAt(protocol, named, { extensions, limits, encrypted });
  return mayName(source, named)
    ? { endpoint }
    : {
        endpoint,
        refused: `${source.text} may not send callers there; pass that address to connect() if you trust it`,
      };
}

/** The reason why an endpoint that means "where this was asked" is of no use to a caller from another place. */
function withoutAddress(carrier: WireableCarrier, { text }: DialableAddress): string {
  return carrier === "service-binding"
    ? "only a Worker that has the binding can call it"
    : `the manifest names no address for it, and comes from ${text}`;
}

function unnamed(protocol: Protocol, text: string): Endpoint {
  return endpointAt(protocol, { carrier: "elsewhere", text });
}

/** A place that is reached by http: is reached by ws:, too, and the other way round. */
function sameHost(source: DialableAddress, carrier: WireableCarrier): DialableAddress | undefined {
  if (source.carrier === "http" && carrier === "websocket") {
    return parseAddress(source.url.replace(/^http/, "ws"));
  }
  if (source.carrier === "websocket" && carrier === "http") {
    return parseAddress(source.url.replace(/^ws/, "http"));
  }
  return undefined;
}

function readAddress(text: string): DialableAddress | undefined {
  // What can't be shown as it is, can't be trusted to be what is shown.
  if (text !== printableLine(text)) {
    return undefined;
  }
  try {
    return parseAddress(text);
  } catch {
    return undefined;
  }
}

/**
 * True if a manifest from one place may send callers to another. The named place gets the caller's metadata,
 * credentials and all: so a socket on this machine may name only such sockets, and a remote place only its own host.
 */
function mayName(source: DialableAddress, named: DialableAddress): boolean {
  if (source.carrier === "unix") {
    return named.carrier === "unix";
  }
  if (!("url" in source) || !("url" in named)) {
    return false;
  }
  const [from, to] = [new URL(source.url), new URL(named.url)];
  const isEncrypted = ({ protocol }: URL) => protocol === "https:" || protocol === "wss:";
  return from.host === to.host && (isEncrypted(to) || !isEncrypted(from));
}
