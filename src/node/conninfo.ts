import type * as http from "node:http";
import * as net from "node:net";
import type { Duplex } from "node:stream";
import type { Peer } from "../call/peer.ts";
import type { TrustedProxy } from "./trusted-proxy.ts";

/** The other end of a connection, as far as the system tells. */
export function peerOf(connection: Duplex | undefined): Peer {
  const address = connection instanceof net.Socket ? connection.remoteAddress : undefined;
  return address === undefined ? {} : { address };
}

/** The peer that has sent a request: the other end of its connection, or the caller that a trusted proxy there names. */
export function requestPeer(
  { socket, headers }: Pick<http.IncomingMessage, "socket" | "headers">,
  proxy?: TrustedProxy,
): Peer {
  const peer = peerOf(socket);
  return proxy === undefined || peer.address === undefined ? peer : { address: proxy.clientOf(peer.address, headers) };
}
