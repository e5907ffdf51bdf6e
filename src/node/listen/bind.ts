import { chmodSync, existsSync } from "node:fs";
import type * as net from "node:net";
import { dirname } from "node:path";
import { isMainThread } from "node:worker_threads";
import { isPrivate } from "../own-place.ts";
import { listenError } from "./errors.ts";
import type { ListenAddress } from "./listen-address.ts";
import { removeStaleSocket } from "./stale-socket.ts";

type Place<Carrier> = Extract<ListenAddress, { readonly carrier: Carrier }>;

/** Longest path of a Unix socket, in bytes: Linux has 108 with the closing zero, macOS 104. */
const maxSocketPathBytes = process.platform === "darwin" ? 103 : 107;

const takenHint = {
  unix: "Another process listens there, or the path is a file that is no socket: stop the one, remove the other, or choose another path.",
  tcp: "Another process listens there: stop it, or choose another port; 0 for one that is free.",
} as const;

/**
 * Makes a server listen; a Unix socket then belongs to this user alone. Returns the address, for tcp with the port.
 * @throws PlugboardError PB-LISTEN-FAILED or PB-SOCKET-PATH
 */
export async function bind(server: net.Server, address: ListenAddress): Promise<ListenAddress> {
  const text = describe(address);
  if (address.carrier === "unix" && Buffer.byteLength(address.path) > maxSocketPathBytes) {
    throw listenError("PB-SOCKET-PATH", `${address.path} is longer than ${maxSocketPathBytes} bytes`);
  }
  try {
    await (address.carrier === "unix" ? listenAtPath(server, address) : listenAtPort(server, address));
  } catch (cause) {
    // libuv says EACCES of a directory that is not there.
    const missing = address.carrier === "unix" && !existsSync(dirname(address.path));
    const why = missing ? `there is no directory ${dirname(address.path)}` : String(cause);
    const taken = !missing && codeOf(cause) === "EADDRINUSE";
    throw listenError("PB-LISTEN-FAILED", `can't listen on ${text}: ${why}`, {
      cause,
      ...(taken && { hint: takenHint[address.carrier] }),
    });
  }
  const info = server.address();
  return address.carrier === "tcp" && info !== null && typeof info === "object"
    ? { carrier: "tcp", host: address.host, port: info.port }
    : address;
}

function describe(address: ListenAddress): string {
  if (address.carrier === "unix") {
    return `unix:${address.path}`;
  }
  const { host, port, lastPort = port } = address;
  return `tcp:${host}:${port}${lastPort > port ? ` to ${lastPort}` : ""}`;
}

async function listenAtPath(server: net.Server, address: Place<"unix">): Promise<void> {
  try {
    await listenOnce(server, address);
  } catch (error) {
    // A plugin that was killed leaves its socket behind.
    if (codeOf(error) !== "EADDRINUSE" || !(await removeStaleSocket(address.path))) {
      throw error;
    }
    await listenOnce(server, address);
  }
}

/** At the first port that is free. */
async function listenAtPort(server: net.Server, address: Place<"tcp">): Promise<void> {
  const { port: first, lastPort = first } = address;
  for (let port = first; ; port++) {
    try {
      return await listenOnce(server, { ...address, port });
    } catch (error) {
      if (port >= lastPort) {
        throw error;
      }
    }
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function listenOnce(server: net.Server, address: ListenAddress): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onListening = () => {
    server.off("error", reject);
    resolve();
  };
  server.once("error", reject);
  if (address.carrier === "tcp") {
    server.listen({ host: address.host, port: address.port }, onListening);
    return promise;
  }
  if (isPrivate(dirname(address.path))) {
    // No other user can connect before the mode is narrowed either; and the umask is the whole process's.
    server.listen({ path: address.path }, onListening);
    if (server.listening) {
      chmodSync(address.path, 0o600);
    }
    return promise;
  }
  if (!isMainThread) {
    throw new Error("a worker thread, which can't set the umask, listens in a directory that only this user can enter");
  }
  // Node makes the socket within listen(). Were it narrowed afterwards, others could get in for a moment.
  const usual = process.umask(0o177);
  try {
    server.listen({ path: address.path }, onListening);
  } finally {
    process.umask(usual);
  }
  return promise;
}
