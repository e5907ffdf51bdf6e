import * as net from "node:net";
import { isAbsolute } from "node:path";
import { parseAddress } from "../../address/address.ts";
import { untilAborted } from "../../base/async/until-aborted.ts";
import type { PlugboardError } from "../../base/errors.ts";
import { isLoopback } from "../../base/loopback.ts";
import type { ConnInfo } from "../../gen/plugin/grpc_broker_pb.ts";
import { brokerError } from "./errors.ts";

/** The address to dial, or why there is none. */
export type AnnouncedAddress = net.NetConnectOpts | PlugboardError;

/** Longest address that is looked at; the path of a socket has 107 bytes at most. */
const maxAddressLength = 4096;

/**
 * Reads where the other side says that it listens. It could say anything, and have us call whom it can't reach itself: so
 * only this machine is dialled. Anything else is PB-BROKER-ADDRESS.
 */
export function readAnnouncedAddress({ serviceId, network, address: announced }: ConnInfo): AnnouncedAddress {
  const address = announced.length > maxAddressLength ? "" : announced;
  if (network === "unix" && isAbsolute(address) && !address.includes("\0")) {
    return { path: address };
  }
  if (network === "tcp") {
    const tcp = parseTcp(address);
    if (tcp !== undefined && isLoopback(tcp.host)) {
      return { host: tcp.host, port: tcp.port };
    }
  }
  const shown = JSON.stringify(`${network.slice(0, 16)}:${announced.slice(0, 180)}`);
  return brokerError(
    "PB-BROKER-ADDRESS",
    `the other side announced id ${serviceId} of the broker at ${shown}, which the broker does not dial`,
  );
}

function parseTcp(text: string) {
  try {
    const address = parseAddress(`tcp:${text}`);
    return address.carrier === "tcp" ? address : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Connects a socket, which the signal destroys; so does a wait that is too long, as for a listener that never accepts.
 */
export async function connectSocket(
  to: net.NetConnectOpts,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<net.Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = net.connect({ ...to, signal }, resolve);
  // For good: what comes late must not become an uncaught exception.
  socket.on("error", reject);
  const timer = setTimeout(
    () => socket.destroy(new Error(`the other side did not accept the connection within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    await untilAborted(signal, promise);
    return socket;
  } finally {
    clearTimeout(timer);
  }
}
