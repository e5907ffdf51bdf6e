import * as net from "node:net";
import type { Duplex } from "node:stream";
import type { Peer } from "../rpc/peer.ts";

/** Who is at the other end of a connection, as far as the system tells. */
export function peerOf(connection: Duplex | undefined): Peer {
  const address = connection instanceof net.Socket ? connection.remoteAddress : undefined;
  return address === undefined ? {} : { address };
}
