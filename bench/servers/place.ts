import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { givenIdentity, tlsOptions } from "../contenders/identity.ts";
import { socketPath } from "./listening.ts";

/** The same as Node's servers take it. */
export const place = socketPath.startsWith("tcp:")
  ? { host: "127.0.0.1", port: Number(socketPath.slice(4)) }
  : { path: socketPath };

/** The certificate to show, and to want of clients; none for no TLS. */
export const identity = givenIdentity();

/** A server of sockets, with TLS if there is an identity. What has none does not load TLS, as its start is measured. */
export async function createSocketServer(serve: (socket: Socket) => void): Promise<Server> {
  const options = { noDelay: true };
  if (identity === undefined) {
    return createServer(options, serve);
  }
  const tls = await import("node:tls");
  return tls.createServer({ ...options, ...tlsOptions(identity) }, serve);
}
