import { once } from "node:events";
import { connect as connectNet, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Identity } from "./identity.ts";
import { tlsOptions } from "./identity.ts";

/** Opens a socket on the loopback interface, with TLS if there is an identity; `protocol` is for ALPN. */
export function openSocket(port: number, identity: Identity | undefined, protocol?: string): Socket {
  const at = { host: "127.0.0.1", port };
  return identity === undefined
    ? connectNet({ ...at, noDelay: true })
    : connectTls({ ...at, ...tlsOptions(identity), ...(protocol && { ALPNProtocols: [protocol] }) }).setNoDelay(true);
}

/** Waits until it is open. */
export async function opened(socket: Socket): Promise<Socket> {
  await once(socket, "encrypted" in socket ? "secureConnect" : "connect");
  return socket;
}
