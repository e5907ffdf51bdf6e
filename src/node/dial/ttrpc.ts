import type { Address } from "../../address/endpoint.ts";
import type { Dialer, DialOptions } from "../../client/dialers/dialer.ts";
import { dialTtrpc } from "../../client/dialers/ttrpc.ts";
import type { CarrierConnection } from "../../ttrpc/carrier.ts";
import { socketCarrier } from "../../ttrpc/carriers/socket.ts";
import { openSecureSocket, openSocket, placeOf } from "./open-socket.ts";

/** Calls over ttrpc on sockets. */
export const socketDialers: readonly Dialer[] = [
  { protocol: "ttrpc", carrier: "unix", dial: dialTtrpc(open) },
  { protocol: "ttrpc", carrier: "tcp", dial: dialTtrpc(open) },
];

/** Size of what is read at a time, in bytes; a Unix socket on Linux holds not more. */
const readBytes = 208 * 1024;

async function open(address: Address, signal: AbortSignal, options: DialOptions): Promise<CarrierConnection> {
  const { tls, token } = options;
  if (token !== undefined) {
    // Loaded here, as a plugin process imports this module, too.
    const { guardToken } = await import("./guard-token.ts");
    guardToken(address, options);
  }
  if (tls !== undefined) {
    // No protocol is offered: ttrpc has no name there.
    const { socket, explain } = await openSecureSocket(address, tls, [], signal);
    return socketCarrier(socket, undefined, explain);
  }
  let receive = (_chunk: Uint8Array) => {};
  const socket = await openSocket(
    {
      ...placeOf(address).options,
      // Memory of its own for each read, as Node gets it otherwise, costs more than the reading. Frames are copied out of
      // it before the next.
      onread: {
        buffer: new Uint8Array(readBytes),
        callback(length, buffer) {
          receive(buffer.subarray(0, length));
          return true;
        },
      },
    },
    signal,
  );
  return socketCarrier(socket, (listener) => {
    receive = listener;
  });
}
