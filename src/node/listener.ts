import * as fs from "node:fs/promises";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { PlugboardError } from "../plugin/errors.ts";
import type { RunningPlugin } from "../plugin/running-plugin.ts";
import type { HttpHandler } from "./http-handler.ts";
import { createHttpHandler } from "./http-handler.ts";
import type { ListenAddress } from "./listen-address.ts";
import { sniff } from "./sniff.ts";

/** How to listen. */
export interface ListenOptions {
  /** Largest request message, in bytes. */
  readonly maxMessageBytes: number;
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

/** What is told apart by the first bytes of a connection goes to its own server. TLS and ttrpc will join here. */
type Accept = (socket: net.Socket) => void;

/**
 * Listens for all protocols on one socket.
 * @throws PlugboardError PB-LISTEN-FAILED or PB-SOCKET-PATH
 */
export async function listen(
  running: RunningPlugin,
  address: ListenAddress,
  options: ListenOptions,
): Promise<Listener> {
  const { maxMessageBytes, headerTimeoutMs = 10_000 } = options;
  const shutdown = new AbortController();
  const sockets = new Set<net.Socket>();
  const sessions = new Set<http2.Http2Session>();
  const responses = new Set<unknown>();
  const idle = createIdleSignal();
  let draining = false;

  const serveHttp = createHttpHandler({
    table: running.table,
    maxMessageBytes,
    shutdownSignal: shutdown.signal,
    onlyLoopbackHosts: address.carrier === "tcp",
    draining: () => draining,
  });
  const handle: HttpHandler = (request, response) => {
    responses.add(response);
    response.once("close", () => {
      responses.delete(response);
      if (responses.size === 0) {
        idle.notify();
      }
    });
    if (draining && request.httpVersionMajor === 1) {
      response.setHeader("Connection", "close");
    }
    serveHttp(request, response);
  };

  const http1Server = http.createServer(
    {
      headersTimeout: headerTimeoutMs,
      connectionsCheckingInterval: Math.ceil(headerTimeoutMs / 2),
      requestTimeout: 0,
      keepAliveTimeout: 60_000,
    },
    handle,
  );
  // It never listens itself, but this is when it starts to watch over its connections: header timeout, idle ones.
  http1Server.emit("listening");
  const http2Server = http2.createServer(handle);
  http2Server.on("session", (session) => {
    sessions.add(session);
    // The settings are what a client says first in HTTP/2.
    const timer = setTimeout(() => session.destroy(), headerTimeoutMs);
    session.once("remoteSettings", () => clearTimeout(timer));
    session.once("close", () => {
      clearTimeout(timer);
      sessions.delete(session);
    });
    session.on("error", () => session.destroy());
  });

  const accept: Readonly<Partial<Record<string, Accept>>> = {
    "http/1.1": (socket) => http1Server.emit("connection", socket),
    "http/2": (socket) => http2Server.emit("connection", socket),
  };
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    handOver(socket, accept, headerTimeoutMs);
  });
  const bound = await bind(server, address);

  return {
    address: bound,
    async drain(graceMs) {
      draining = true;
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) {
        session.close();
      }
      http1Server.closeIdleConnections();
      if (responses.size > 0) {
        await idle.wait(graceMs);
        shutdown.abort(new ConnectError("the plugin is shutting down", Code.Unavailable));
        // Handlers that heed their signal get to answer.
        await idle.wait(responses.size > 0 ? flushMs : 0);
      }
      http1Server.close();
      http2Server.close();
      for (const socket of sockets) {
        socket.destroySoon();
      }
      // A peer that does not read keeps its connection from ending well.
      const timer = setTimeout(() => {
        for (const socket of sockets) {
          socket.destroy();
        }
      }, flushMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function handOver(socket: net.Socket, accept: Readonly<Partial<Record<string, Accept>>>, timeoutMs: number) {
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.once("close", () => clearTimeout(timer));
  let head = Buffer.alloc(0);
  socket.on("data", function onData(chunk) {
    head = Buffer.concat([head, chunk]);
    const protocol = sniff(head);
    if (protocol === undefined) {
      return;
    }
    clearTimeout(timer);
    socket.off("data", onData);
    const to = accept[protocol];
    if (to === undefined) {
      socket.destroy();
      return;
    }
    socket.pause();
    socket.unshift(head);
    to(socket);
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
    throw new PlugboardError("PB-LISTEN-FAILED", `can't listen on ${text}: ${String(cause)}`, { cause });
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
  if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || !(await fs.lstat(path)).isSocket()) {
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
    await fs.unlink(path);
  }
  return !inUse;
}

function createIdleSignal() {
  const waiting = new Set<() => void>();
  return {
    notify() {
      for (const resolve of waiting) {
        resolve();
      }
    },
    /** Waits until notify is called, at most so many milliseconds. */
    async wait(milliseconds: number) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, milliseconds);
      waiting.add(resolve);
      await promise;
      clearTimeout(timer);
      waiting.delete(resolve);
    },
  };
}
