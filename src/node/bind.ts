import { existsSync, lstatSync, unlinkSync } from "node:fs";
import * as net from "node:net";
import { dirname } from "node:path";
import { PlugboardError } from "../plugin/errors.ts";
import type { ListenAddress } from "./listen-address.ts";

/** Longest path of a Unix socket, in bytes: Linux has 108 with the closing zero, macOS 104. */
const maxSocketPathBytes = process.platform === "darwin" ? 103 : 107;

/**
 * Makes a server listen; a Unix socket then belongs to this user alone. Returns the address, for tcp with the port.
 * @throws PlugboardError PB-LISTEN-FAILED or PB-SOCKET-PATH
 */
export async function bind(server: net.Server, address: ListenAddress): Promise<ListenAddress> {
  const text = address.carrier === "unix" ? `unix:${address.path}` : `tcp:${address.host}:${address.port}`;
  if (address.carrier === "unix" && Buffer.byteLength(address.path) > maxSocketPathBytes) {
    throw new PlugboardError("PB-SOCKET-PATH", `${address.path} is longer than ${maxSocketPathBytes} bytes`);
  }
  try {
    await listenOnce(server, address).catch(async (error: unknown) => {
      if (address.carrier !== "unix" || !(await removeStaleSocket(error, address.path))) {
        throw error;
      }
      await listenOnce(server, address);
    });
  } catch (cause) {
    // libuv says EACCES of a directory that is not there.
    const missing = address.carrier === "unix" && !existsSync(dirname(address.path));
    const why = missing ? `there is no directory ${dirname(address.path)}` : String(cause);
    throw new PlugboardError("PB-LISTEN-FAILED", `can't listen on ${text}: ${why}`, { cause });
  }
  const info = server.address();
  return address.carrier === "tcp" && info !== null && typeof info === "object"
    ? { ...address, port: info.port }
    : address;
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
  // Node makes the socket within listen(). Were it narrowed afterwards, others could get in for a moment.
  const usual = process.umask(0o177);
  try {
    server.listen({ path: address.path }, onListening);
  } finally {
    process.umask(usual);
  }
  return promise;
}

/** A plugin that was killed leaves its socket behind. It is removed if it is a socket and nobody answers on it. */
async function removeStaleSocket(error: unknown, path: string): Promise<boolean> {
  if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || !lstatSync(path).isSocket()) {
    return false;
  }
  const { promise: answered, resolve } = Promise.withResolvers<boolean>();
  const probe = net
    .connect({ path }, () => resolve(true))
    .on("error", (reason: NodeJS.ErrnoException) => {
      resolve(reason.code !== "ECONNREFUSED");
    });
  const inUse = await answered;
  probe.destroy();
  if (!inUse) {
    unlinkSync(path);
  }
  return !inUse;
}
