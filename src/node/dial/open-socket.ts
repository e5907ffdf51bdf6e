import { once } from "node:events";
import * as net from "node:net";
import type { Duplex } from "node:stream";
import type { Address } from "../../address/endpoint.ts";
import type { ClientTls } from "../../address/tls-options.ts";

/** For peers that know no pings: the system asks after this silence. */
export const tcpKeepalive = { keepAlive: true, keepAliveInitialDelay: 30_000 } as const;

/** A connection on which TLS is spoken. */
export interface SecureSocket {
  readonly socket: Duplex;
  /** Says what an error means that comes later: in TLS 1.3 a client learns only then what the server finds of it. */
  readonly explain: (error: Error) => Error;
}

/** The place that a socket connects to. */
export interface SocketPlace {
  readonly options: net.NetConnectOpts;
  /** The host that the address names. */
  readonly host: string;
}

/** The place that the socket of an address connects to. */
export function placeOf(address: Address): SocketPlace {
  switch (address.carrier) {
    case "unix":
      return { options: { path: address.path }, host: "localhost" };
    case "tcp":
      // Frames that were written in one turn go out as one; waiting for more would only cost time.
      return {
        options: { host: address.host, port: address.port, noDelay: true, ...tcpKeepalive },
        host: address.host,
      };
    case "http": {
      const { hostname, port, protocol } = new URL(address.url);
      const host = hostname.replace(/^\[|\]$/g, "");
      return { options: { host, port: Number(port || (protocol === "https:" ? 443 : 80)) }, host };
    }
    default:
      throw new TypeError(`${address.text} is not a socket`);
  }
}

/** Connects a socket. */
export async function openSocket(options: net.NetConnectOpts, signal: AbortSignal): Promise<net.Socket> {
  const socket = net.connect(options);
  try {
    await once(socket, "connect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/**
 * Connects a socket and speaks TLS on it.
 * @param alpn Protocols to offer.
 * @throws PlugboardError PB-TLS-*, or what a socket throws.
 */
export async function openSecureSocket(
  address: Address,
  tls: ClientTls,
  alpn: readonly string[],
  signal: AbortSignal,
): Promise<SecureSocket> {
  // Loaded here, as most connections do without.
  const [{ clientCredentials }, { secureClient }, { explainLateTls }] = await Promise.all([
    import("../tls/credentials.ts"),
    import("../tls/secure-client.ts"),
    import("../tls/explain-tls.ts"),
  ]);
  const { options, host } = placeOf(address);
  const connection = await openSocket(options, signal);
  const credentials = clientCredentials(tls);
  const { serverName = host } = tls;
  const socket = await secureClient(connection, credentials, { alpn, place: address.text, serverName, signal });
  const peer = { who: `the server at ${address.text}`, ownCertificate: credentials.hasIdentity };
  return { socket, explain: (error) => explainLateTls(error, peer) };
}
