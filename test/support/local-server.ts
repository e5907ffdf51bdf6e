import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { expect, vi } from "vitest";
import type { ManifestSchema } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { PluginService } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

/** A server in this process, on a real socket. */
export interface LocalServer extends AsyncDisposable {
  /** The address that it listens on, as connect() takes it. */
  readonly address: string;
  /** Its connections that are open. */
  readonly sockets: ReadonlySet<net.Socket>;
  /**
   * Stops listening and ends every connection as soon as no call is on it, as a process does that ends well. Waits until
   * the clients have seen it; for Unix sockets until those of all servers have.
   */
  takeAway(): Promise<void>;
  /** Breaks every connection off. */
  breakOff(): void;
}

/** A local server that speaks an RPC protocol. */
export interface LocalRpcServer extends LocalServer {
  /** The methods that were called, in order, without Describe. */
  readonly calls: readonly string[];
  /** Pings that have come in over HTTP/2. */
  readonly pings: number;
}

/** The place to listen: a Unix socket, or the loopback interface with an address of either form. */
export type Place = "unix" | "tcp" | "http";

/** Options for an RPC server. */
export interface RpcServerOptions {
  readonly place: Place;
  readonly httpVersion: "1.1" | "2";
  /** Default: all that the version of HTTP can carry. */
  readonly protocols?: readonly ("connect" | "grpc" | "grpc-web")[];
  /** What PluginService says. Default: there is none. */
  readonly manifest?: MessageInitShape<typeof ManifestSchema>;
  /** Default: echo, inspect, produce, collect, converse and hang of BehaviourService. */
  readonly routes?: (router: ConnectRouter, server: LocalServer) => unknown;
  /** Sees each request before Connect does; responds to it if it returns true. */
  readonly intercept?: (request: http.IncomingMessage, response: http.ServerResponse) => boolean;
}

/** Starts a server as others write them, with Connect's own adapter for Node. */
export async function startRpcServer(options: RpcServerOptions): Promise<LocalRpcServer> {
  const { place, httpVersion, manifest, routes = behaviourRoutes, intercept = () => false } = options;
  const protocols = options.protocols ?? ["connect", "grpc", "grpc-web"];
  const calls: string[] = [];
  let pings = 0;
  const sessions = new Set<http2.Http2Session>();
  const record: Interceptor = (next) => (request) => {
    if (request.service.typeName !== PluginService.typeName) {
      calls.push(request.method.name);
    }
    return next(request);
  };
  const listener = httpVersion === "1.1" ? http.createServer({ keepAliveTimeout: 0 }) : http2.createServer();
  listener.on("session", (session: http2.Http2Session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => undefined);
    session.on("ping", () => {
      pings += 1;
    });
  });
  const server = await start(listener, place, () => {
    for (const session of sessions) {
      session.close();
    }
    if (listener instanceof http.Server) {
      listener.closeIdleConnections();
    }
  });
  const handle = connectNodeAdapter({
    connect: protocols.includes("connect"),
    grpc: protocols.includes("grpc"),
    grpcWeb: protocols.includes("grpc-web"),
    interceptors: [record],
    routes(router) {
      if (manifest !== undefined) {
        router.service(PluginService, { describe: () => ({ manifest }) });
      }
      routes(router, server);
    },
  });
  listener.on("request", (request: http.IncomingMessage, response: http.ServerResponse) => {
    if (!intercept(request, response)) {
      handle(request, response);
    }
  });
  return {
    ...server,
    calls,
    get pings() {
      return pings;
    },
  };
}

/** Starts a server that does with each connection what it is told to. */
export function startRawServer(place: Place, onConnection: (socket: net.Socket) => void): Promise<LocalServer> {
  const listener = net.createServer((socket) => {
    onConnection(socket);
    // No one learns of the other side's end without reading.
    socket.resume();
  });
  return start(listener, place, () => undefined);
}

/** An address at which nothing listens, though something did. */
export async function vacantAddress(place: Place): Promise<string> {
  const server = await startRawServer(place, () => undefined);
  await server[Symbol.asyncDispose]();
  return server.address;
}

/** The routes of the default server. */
export function behaviourRoutes(router: ConnectRouter) {
  router.service(BehaviourService, {
    echo: ({ text, data }) => ({ text, data }),
    inspect: (_request, { protocolName }) => ({ protocol: protocolName }),
    async *produce({ count, size }, { signal }) {
      for (let index = 0; index < count; index++) {
        yield { index, data: new Uint8Array(size) };
      }
      if (count === 0) {
        yield { index: 0 };
        await aborted(signal);
      }
    },
    async collect(requests) {
      let bytes = 0n;
      let messages = 0;
      for await (const { data } of requests) {
        messages += 1;
        // Tells the messages and their order.
        bytes = bytes * 10n + BigInt(data[0] ?? 0);
      }
      return { messages, bytes };
    },
    async *converse(requests) {
      for await (const { text } of requests) {
        yield { text };
      }
    },
    async hang(_request, { signal }) {
      await aborted(signal);
      return {};
    },
  });
}

/** Waits until the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    }
    signal.addEventListener("abort", () => resolve());
  });
}

async function start(listener: net.Server, place: Place, endIdle: () => void): Promise<LocalServer> {
  const sockets = new Set<net.Socket>();
  listener.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  });
  const directory = await mkdtemp(join(tmpdir(), "connect-test-"));
  const path = join(directory, "s.sock");
  listener.listen(place === "unix" ? { path } : { host: "127.0.0.1", port: 0 });
  await once(listener, "listening");
  const info = listener.address();
  const port = typeof info === "object" ? info?.port : undefined;
  // Files share a process: what others have left open is not for this server.
  const before = new Set(clientSockets);
  const breakOff = () => {
    for (const socket of sockets) {
      socket.destroy();
    }
  };
  return {
    address: { unix: `unix:${path}`, tcp: `tcp:127.0.0.1:${port}`, http: `http://127.0.0.1:${port}` }[place],
    sockets,
    breakOff,
    async takeAway() {
      const closed = once(listener, "close");
      listener.close();
      endIdle();
      await closed;
      await vi.waitFor(() => expect(clientsOf(port, before)).toEqual([]), { timeout: 10_000 });
    },
    async [Symbol.asyncDispose]() {
      if (listener.listening) {
        const closed = once(listener, "close");
        listener.close();
        breakOff();
        await closed;
      }
      breakOff();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The connections that clients in this process have open; those to Unix sockets have no port. */
const clientSockets = new Set<net.Socket>();
subscribe("net.client.socket", (message) => {
  const { socket } = message as { socket: net.Socket };
  clientSockets.add(socket);
  socket.once("close", () => clientSockets.delete(socket));
});

function clientsOf(port: number | undefined, before: ReadonlySet<net.Socket>): readonly net.Socket[] {
  return [...clientSockets].filter((socket) => socket.remotePort === port && !before.has(socket));
}
