import { existsSync, lstatSync, unlinkSync } from "node:fs";
import * as net from "node:net";
import { dirname } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { PlugboardError } from "../plugin/errors.ts";
import type { RunningPlugin } from "../plugin/running-plugin.ts";
import type { ListenAddress } from "./listen-address.ts";
import type { ProtocolServer } from "./protocol-server.ts";
import type { Sniffed } from "./sniff.ts";
import { sniff } from "./sniff.ts";
import { createTtrpcServer } from "./ttrpc-server.ts";

/** How to listen. */
export interface ListenOptions {
  /** Largest request message, in bytes. */
  readonly maxMessageBytes: number;
  /** Origins whose pages may call. Default: none. */
  readonly origins?: readonly string[];
  /** How long a connection may take for its first bytes, and for its request headers, in milliseconds. Default: 10,000. */
  readonly headerTimeoutMs?: number;
}

/** One address at which a plugin speaks every protocol it knows. */
export interface Listener {
  /** Where it listens; for tcp with the port that was chosen. */
  readonly address: ListenAddress;
  /**
   * Stops accepting, lets the calls in flight finish within the grace period (in milliseconds), then aborts what is
   * left with `unavailable` and closes every connection.
   */
  drain(graceMs: number): Promise<void>;
}

/** How long the last answers may take to leave, in milliseconds. */
const flushMs = 250;

/**
 * Listens for all protocols on one socket. What the first bytes of a connection tell apart goes to a server of its own;
 * TLS will join here.
 * @throws PlugboardError PB-LISTEN-FAILED or PB-SOCKET-PATH
 */
export async function listen(
  running: RunningPlugin,
  address: ListenAddress,
  options: ListenOptions,
): Promise<Listener> {
  const { maxMessageBytes, origins = [], headerTimeoutMs = 10_000 } = options;
  const serverOptions = {
    table: running.table,
    maxMessageBytes,
    origins,
    headerTimeoutMs,
    onlyLoopbackHosts: address.carrier === "tcp",
  };
  const sockets = new Set<net.Socket>();
  const ttrpc = createTtrpcServer(serverOptions);
  /** Loaded when the first connection wants it: a plugin that only its host calls does without. */
  let http: Promise<HttpServer> | undefined;
  let draining = false;
  type HttpServer = Awaited<ReturnType<typeof loadHttp>>;
  const loadHttp = async () => (await import("./http-server.ts")).createHttpServer(serverOptions);

  async function serverFor(protocol: Sniffed): Promise<ProtocolServer | undefined> {
    if (protocol === "ttrpc") {
      return ttrpc;
    }
    if (protocol === "http/1.1" || protocol === "http/2") {
      http ??= loadHttp();
      const servers = await http;
      return draining ? undefined : servers[protocol];
    }
    return undefined;
  }

  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    handOver(socket, serverFor, headerTimeoutMs);
  });
  const bound = await bind(server, address);

  function destroy(condition: (socket: net.Socket) => boolean) {
    for (const socket of sockets) {
      if (condition(socket)) {
        socket.destroy();
      }
    }
  }

  return {
    address: bound,
    async drain(graceMs) {
      draining = true;
      const graceEnds = performance.now() + graceMs;
      const closed = new Promise((resolve) => server.close(resolve));
      const loaded = http === undefined ? undefined : await http;
      const servers: ProtocolServer[] = [
        ttrpc,
        ...(loaded === undefined ? [] : [loaded["http/1.1"], loaded["http/2"]]),
      ];
      const idle = Promise.all(servers.map((each) => each.drain()));
      if (!(await within(graceMs, idle))) {
        for (const each of servers) {
          each.abort(new ConnectError("the plugin is shutting down", Code.Unavailable));
        }
        // Handlers that heed their signal get to answer.
        await within(flushMs, idle);
      }
      for (const socket of sockets) {
        socket.destroySoon();
      }
      // A peer that does not read keeps its connection from ending well; one that reads slowly has the grace period.
      const destroyIdle = setTimeout(() => destroy((socket) => socket.writableLength === 0), flushMs);
      const destroyAll = setTimeout(() => destroy(() => true), Math.max(flushMs, graceEnds - performance.now()));
      await closed;
      clearTimeout(destroyIdle);
      clearTimeout(destroyAll);
    },
  };
}

/** Waits for a promise, at most so many milliseconds; tells whether it has settled. */
async function within(milliseconds: number, promise: Promise<unknown>): Promise<boolean> {
  const { promise: expired, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), milliseconds);
  const settled = await Promise.race([promise.then(() => true), expired]);
  clearTimeout(timer);
  return settled;
}

function handOver(
  socket: net.Socket,
  serverFor: (protocol: Sniffed) => Promise<ProtocolServer | undefined>,
  timeoutMs: number,
) {
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.once("close", () => clearTimeout(timer));
  let head = Buffer.alloc(0);
  socket.on("data", async function onData(chunk) {
    head = Buffer.concat([head, chunk]);
    const protocol = sniff(head);
    if (protocol === undefined) {
      return;
    }
    clearTimeout(timer);
    socket.off("data", onData);
    socket.pause();
    const server = await serverFor(protocol);
    if (server === undefined || socket.destroyed) {
      socket.destroy();
      return;
    }
    socket.unshift(head);
    server.accept(socket);
    // Not before the server has attached its own listeners.
    process.nextTick(() => socket.resume());
  });
}

/** Longest path of a Unix socket, in bytes: Linux has 108 with the closing zero, macOS 104. */
const maxSocketPathBytes = process.platform === "darwin" ? 103 : 107;

async function bind(server: net.Server, address: ListenAddress): Promise<ListenAddress> {
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
