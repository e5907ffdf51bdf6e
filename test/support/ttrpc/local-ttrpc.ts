import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectRouter, Transport } from "@connectrpc/connect";
import { defaultLog } from "../../../src/base/log.ts";
import { createServiceTable } from "../../../src/plugin/service-table.ts";
import { socketCarrier } from "../../../src/ttrpc/carriers/socket.ts";
import type { TtrpcClient } from "../../../src/ttrpc/client/client.ts";
import { createTtrpcClient } from "../../../src/ttrpc/client/client.ts";
import { ServerConnection } from "../../../src/ttrpc/server/server-connection.ts";

/** Largest message that servers and clients of these tests take, in bytes. */
export const maxMessageBytes = 3 * 1024 * 1024;

/** Calls that one connection of these tests may have in flight. */
export const maxConcurrentCalls = 100;

const policy = { limits: { maxMessageBytes, maxConcurrentStreams: maxConcurrentCalls }, log: defaultLog };

/** A server on a Unix socket. */
export interface LocalTtrpc extends AsyncDisposable {
  readonly path: string;
  /** One for each connection so far, in order. */
  readonly connections: readonly ServerConnection[];
  readonly sockets: readonly net.Socket[];
}

/** Serves over ttrpc. */
export async function serveTtrpc(
  routes: (router: ConnectRouter) => unknown,
  limits: Partial<typeof policy.limits> = {},
): Promise<LocalTtrpc> {
  const table = createServiceTable([routes]);
  const connections: ServerConnection[] = [];
  const sockets: net.Socket[] = [];
  const { path, [Symbol.asyncDispose]: dispose } = await listen((socket) => {
    sockets.push(socket);
    connections.push(
      new ServerConnection(socketCarrier(socket), {
        table,
        policy: { ...policy, limits: { ...policy.limits, ...limits } },
      }),
    );
  });
  return { path, connections, sockets, [Symbol.asyncDispose]: dispose };
}

/** Does with each connection to a Unix socket what it is told to. */
export async function listen(onSocket: (socket: net.Socket) => void): Promise<{ path: string } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), "ttrpc-test-"));
  const path = join(directory, "s.sock");
  const sockets = new Set<net.Socket>();
  const listener = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    onSocket(socket);
  });
  listener.listen(path);
  await once(listener, "listening");
  return {
    path,
    async [Symbol.asyncDispose]() {
      const closed = once(listener, "close");
      listener.close();
      for (const socket of sockets) {
        socket.destroy();
      }
      await closed;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A client of a server on a Unix socket. */
export interface LocalTtrpcClient extends TtrpcClient, Disposable {
  /** Speaks plugboard.stream.v1. */
  readonly extended: Transport;
  readonly sockets: readonly net.Socket[];
}

/** Calls what listens on a Unix socket. */
export function connectTtrpc(
  path: string,
  options: { readonly lastStreamId?: number; readonly maxMessageBytes?: number } = {},
): LocalTtrpcClient {
  const sockets: net.Socket[] = [];
  const open = async () => {
    const socket = net.connect(path);
    sockets.push(socket);
    await once(socket, "connect");
    return socketCarrier(socket);
  };
  const client = createTtrpcClient({ open, address: `unix:${path}`, maxMessageBytes, ...options });
  const extended = client.knowing({ extended: true });
  return { ...client, extended, sockets, [Symbol.dispose]: () => client.close(new Error("the test is over")) };
}
