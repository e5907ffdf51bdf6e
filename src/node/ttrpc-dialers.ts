import { once } from "node:events";
import * as net from "node:net";
import type { Dialer } from "../client/dialer.ts";
import type { Address } from "../client/endpoint.ts";
import { dialTtrpc } from "../client/ttrpc-dialers.ts";
import type { CarrierConnection } from "../ttrpc/carrier.ts";
import { socketCarrier } from "../ttrpc/carriers/socket.ts";

/** Calls over ttrpc on sockets. */
export const socketDialers: readonly Dialer[] = [
  { protocol: "ttrpc", carrier: "unix", dial: dialTtrpc(openSocket) },
  { protocol: "ttrpc", carrier: "tcp", dial: dialTtrpc(openSocket) },
];

/** Size of what is read at a time, in bytes; a Unix socket on Linux holds not more. */
const readBytes = 208 * 1024;

async function openSocket(address: Address, signal: AbortSignal): Promise<CarrierConnection> {
  let receive = (_chunk: Uint8Array) => {};
  const socket = net.connect({
    ...socketOptions(address),
    // Memory of its own for each read, as Node gets it otherwise, costs more than the reading. Frames are copied out of
    // it before the next.
    onread: {
      buffer: new Uint8Array(readBytes),
      callback(length, buffer) {
        receive(buffer.subarray(0, length));
        return true;
      },
    },
  });
  try {
    await once(socket, "connect", { signal });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socketCarrier(socket, (listener) => {
    receive = listener;
  });
}

function socketOptions(address: Address): net.NetConnectOpts {
  switch (address.carrier) {
    case "unix":
      return { path: address.path };
    case "tcp":
      // Frames that were written in one turn go out as one; waiting for more would only cost time.
      return { host: address.host, port: address.port, noDelay: true };
    default:
      throw new TypeError(`no socket: ${address.text}`);
  }
}
