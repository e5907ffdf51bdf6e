import * as net from "node:net";
import type { Duplex } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ServerTls } from "../../address/tls-options.ts";
import { isPlugboardError, PlugboardError } from "../../base/errors.ts";
import type { CallPolicy } from "../../call/call-policy.ts";
import { trustedLimits } from "../../call/call-policy.ts";
import { setDeadlineTimer, within } from "../../call/time/deadline.ts";
import type { Keepalive } from "../../call/time/keepalive.ts";
import { keepaliveOn } from "../../call/time/keepalive.ts";
import type { Multiplexer } from "../../go-plugin/yamux/multiplexer.ts";
import { createOriginLog } from "../../http/cors.ts";
import type { RunningPlugin } from "../../plugin/running-plugin.ts";
import { onlyHosts } from "../../policy/hosts.ts";
import type { Hsts } from "../../policy/hsts.ts";
import { hstsValue } from "../../policy/hsts.ts";
import { tcpKeepalive } from "../dial/open-socket.ts";
import type { SecureServer } from "../tls/secure-server.ts";
import type { TrustedProxy } from "../trusted-proxy.ts";
import { bind } from "./bind.ts";
import type { ListenAddress } from "./listen-address.ts";
import { isOnNetwork } from "./listen-address.ts";
import type { ProtocolServer } from "./protocol-server.ts";
import { lastCallMs } from "./protocol-server.ts";
import type { Sniffed } from "./sniff.ts";
import { sniff } from "./sniff.ts";
import { createTtrpcServer } from "./ttrpc-server.ts";

/** How to listen. */
export interface ListenOptions {
  /** What holds for every call. Default: messages of 4 MiB, and 1,024 calls at once on a connection. */
  readonly policy?: CallPolicy;
  /** Origins whose pages may call. Default: none. */
  readonly origins?: readonly string[];
  /** Hosts that requests may be for. Default: any; on plain TCP on the loopback interface, its names. */
  readonly hosts?: readonly string[];
  /** Is in front. Without TLS, connections of others are not served. Default: nobody. */
  readonly proxy?: TrustedProxy;
  /** How long a connection may take for its first bytes, and for its request headers, in milliseconds. Default: 10,000. */
  readonly headerTimeoutMs?: number;
  /** How a connection finds out that its client has vanished. Default: a ping after 30 s of silence, 10 s to respond. */
  readonly keepalive?: Keepalive;
  /** How long a connection of HTTP/1.1 may wait for its next request, in milliseconds. Default: 75,000. */
  readonly idleConnectionMs?: number;
  /** How many connections may be open at once, of every protocol; those beyond are closed. Default: any number. */
  readonly maxConnections?: number;
  /** `Strict-Transport-Security` of responses in TLS. Default: two years, of this host alone. */
  readonly hsts?: Hsts | false | undefined;
  /**
   * Speak yamux at the address, to one host: the first connection that says something is the only one that is taken,
   * and what is served goes over its streams. Draining closes the multiplexer, too.
   */
  readonly multiplexer?: Multiplexer;
  /**
   * Speak TLS alone, on every connection for itself; within it all protocols are served. Whoever comes without is told
   * so. Default: no TLS.
   */
  readonly tls?: ServerTls;
  /** Is told of each connection that was refused for TLS (PB-TLS-*). */
  readonly onRefused?: (error: PlugboardError) => void;
}

/** One address at which a plugin speaks every protocol it knows. */
export interface Listener {
  /** Where it listens; for tcp with the port that was chosen. */
  readonly address: ListenAddress;
  /** Serves on a connection that came another way. */
  accept(connection: Duplex): void;
  /**
   * Stops accepting, lets the calls in flight finish within the grace period (in milliseconds), and handlers that go on after
   * their calls; then aborts what is left with `unavailable` and closes every connection.
   */
  drain(graceMs: number): Promise<void>;
}

type HttpServer = ReturnType<typeof import("../http/http-server.ts").createHttpServer>;

/** How long the last answers may take to leave, in milliseconds. */
const flushMs = 250;

/**
 * Listens for all protocols on one socket. What the first bytes of a connection tell apart goes to a server of its own.
 * @throws PlugboardError PB-LISTEN-FAILED, PB-SOCKET-PATH, PB-TLS-UNREADABLE or PB-TLS-KEY
 */
export async function listen(
  running: RunningPlugin,
  address: ListenAddress,
  options: ListenOptions,
): Promise<Listener> {
  const { policy = { limits: trustedLimits }, origins = [], headerTimeoutMs = 10_000 } = options;
  const { idleConnectionMs = 75_000, maxConnections } = options;
  const { keepalive = keepaliveOn(address.carrier) } = options;
  const { multiplexer, tls, onRefused, hosts, proxy } = options;
  const serverOptions = {
    table: running.table,
    policy,
    origins,
    originRefused: createOriginLog(),
    headerTimeoutMs,
    keepalive,
    idleConnectionMs,
    hsts: tls && hstsValue(options.hsts),
    // In TLS it is the certificate that says who is meant.
    onlyLoopbackHosts: address.carrier === "tcp" && tls === undefined && !isOnNetwork(address),
    // No website leads to a Unix socket, whose clients may name whatever they like.
    ...(hosts && address.carrier === "tcp" && { allowsHost: onlyHosts(hosts) }),
    proxy,
  };
  const secureServer = tls && (await loadTls(tls, headerTimeoutMs));
  const connections = new Set<Duplex>();
  /** HTTP/2 writes past its socket, which so does not know what has to leave before it ends. */
  const selfEnding = new WeakSet<Duplex>();
  /** Sockets that wait to be the multiplexer's, and its own. */
  const carriers = new Set<net.Socket>();
  const ttrpc = createTtrpcServer(serverOptions);
  /** Loaded when the first connection wants it: a plugin that only its host calls does without. */
  let http: Promise<HttpServer> | undefined;
  let draining = false;
  /** Connections of which is not known yet what is spoken on them. */
  const opening = new Set<Promise<void>>();
  const loadHttp = async () => (await import("../http/http-server.ts")).createHttpServer(serverOptions);

  async function serverFor(protocol: Sniffed): Promise<ProtocolServer | undefined> {
    if (protocol === "ttrpc") {
      return ttrpc;
    }
    if (protocol === "http/1.1" || protocol === "http/2") {
      http ??= loadHttp();
      return (await http)[protocol];
    }
    return undefined;
  }

  function track(connection: Duplex) {
    connections.add(connection);
    connection.once("close", () => connections.delete(connection));
    connection.on("error", () => connection.destroy());
  }

  function accept(connection: Duplex) {
    if (maxConnections !== undefined && connections.size >= maxConnections) {
      connection.on("error", () => undefined).destroy();
      return;
    }
    track(connection);
    if (draining) {
      connection.destroy();
      return;
    }
    open(connection, (head, protocol) =>
      secureServer === undefined ? hand(connection, head, protocol) : secure(connection, head, protocol, secureServer),
    );
  }

  /** Hears what is spoken on a connection, and goes on with it. */
  function open(connection: Duplex, onHeard: (head: Buffer, protocol: Sniffed) => Promise<void>) {
    const { promise: opened, resolve } = Promise.withResolvers<void>();
    opening.add(opened);
    const onOpened = () => {
      opening.delete(opened);
      resolve();
    };
    connection.once("close", onOpened);
    hear(connection, headerTimeoutMs, (head, protocol) => onHeard(head, protocol).finally(onOpened));
  }

  /** Gives a connection on which a protocol is spoken to the server for it. */
  async function hand(connection: Duplex, head: Buffer, protocol: Sniffed) {
    if (protocol === "tls") {
      await refuse(connection, head, new PlugboardError("PB-TLS-NOT-SPOKEN", "no TLS is spoken here"));
      return;
    }
    const server = await serverFor(protocol);
    if (server === undefined || connection.destroyed) {
      connection.destroy();
      return;
    }
    if (protocol === "http/2") {
      selfEnding.add(connection);
    }
    connection.unshift(head);
    server.accept(connection);
    // Not before the server has attached its own listeners.
    process.nextTick(() => connection.resume());
  }

  /** Speaks TLS on a connection, and goes on with what is spoken within. */
  async function secure(connection: Duplex, head: Buffer, protocol: Sniffed, { secure }: SecureServer) {
    if (protocol !== "tls") {
      const error = new PlugboardError("PB-TLS-REQUIRED", "only TLS is spoken here");
      onRefused?.(error);
      await refuse(connection, head, error);
      return;
    }
    connection.unshift(head);
    try {
      const within = await secure(connection);
      // From here on it is closed by TLS, which has to end first.
      connections.delete(connection);
      track(within);
      open(within, (head, protocol) => hand(within, head, protocol));
    } catch (error) {
      if (isPlugboardError(error)) {
        onRefused?.(error);
      }
    }
  }

  async function allOpened() {
    while (opening.size > 0) {
      await Promise.all(opening);
    }
  }

  async function refuse(connection: Duplex, head: Buffer, error: PlugboardError) {
    const { refuseSpeaker } = await import("./refuse-peer.ts");
    connection.unshift(head);
    refuseSpeaker(connection, error, headerTimeoutMs);
  }

  let multiplexes = false;
  function multiplex(socket: net.Socket, over: Multiplexer) {
    carriers.add(socket);
    const timer = setTimeout(() => socket.destroy(), headerTimeoutMs);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      clearTimeout(timer);
      carriers.delete(socket);
    });
    socket.once("readable", () => {
      clearTimeout(timer);
      if (multiplexes || socket.readableLength === 0) {
        socket.destroy();
        return;
      }
      multiplexes = true;
      over.attach(socket, accept);
    });
  }

  const server = net.createServer(tcpKeepalive, (socket) => {
    if (multiplexer !== undefined) {
      multiplex(socket, multiplexer);
    } else if (
      proxy !== undefined &&
      tls === undefined &&
      isOnNetwork(address) &&
      !proxy.accepts(socket.remoteAddress)
    ) {
      socket.destroy();
    } else {
      accept(socket);
    }
  });
  const bound = await bind(server, address);

  return {
    address: bound,
    accept,
    async drain(graceMs) {
      draining = true;
      const graceEnds = performance.now() + graceMs;
      const stopped = new Promise((resolve) => server.close(resolve));
      const early = drain(http);
      // What is said first on a connection is most likely on its way.
      const late = within(lastCallMs, allOpened()).then(() => (early === undefined ? drain(http) : undefined));
      const idle = Promise.all([ttrpc.drain(), early, late]);
      if (!(await within(graceMs, idle))) {
        for (const each of [ttrpc, ...servers(await http)]) {
          each.abort(new ConnectError("the plugin is shutting down", Code.Unavailable));
        }
        // Handlers that heed their signal get to answer.
        await within(flushMs, idle);
      }
      await closeAll(connections, selfEnding, graceEnds);
      await multiplexer?.close();
      for (const carrier of carriers) {
        carrier.destroy();
      }
      await stopped;
    },
  };
}

function servers(http: HttpServer | undefined): readonly ProtocolServer[] {
  return http === undefined ? [] : [http["http/1.1"], http["http/2"]];
}

function drain(http: Promise<HttpServer> | undefined): Promise<unknown> | undefined {
  return http?.then((loaded) => Promise.all(servers(loaded).map((each) => each.drain())));
}

/**
 * Closes connections once what was written has left. A peer that does not read keeps its connection from ending well; one
 * that reads slowly has the grace period.
 */
async function closeAll(
  connections: ReadonlySet<Duplex>,
  selfEnding: WeakSet<Duplex>,
  graceEnds: number,
): Promise<void> {
  const closed = [...connections].map((each) => new Promise<void>((resolve) => each.once("close", () => resolve())));
  function destroy(condition: (connection: Duplex) => boolean) {
    for (const connection of connections) {
      if (condition(connection)) {
        connection.destroy();
      }
    }
  }
  for (const connection of connections) {
    if (connection.writableFinished) {
      connection.destroy();
    } else if (!selfEnding.has(connection)) {
      connection.once("finish", () => connection.destroy()).end();
    }
  }
  const destroyIdle = setTimeout(() => destroy(({ writableLength }) => writableLength === 0), flushMs);
  const destroyAll = setDeadlineTimer(() => destroy(() => true), Math.max(flushMs, graceEnds - performance.now()));
  await Promise.all(closed);
  clearTimeout(destroyIdle);
  clearTimeout(destroyAll);
}

/** Hears the first bytes of a connection, up to where they tell what is spoken, and leaves it paused. */
function hear(connection: Duplex, timeoutMs: number, onHeard: (head: Buffer, protocol: Sniffed) => Promise<void>) {
  const timer = setTimeout(() => connection.destroy(), timeoutMs);
  connection.once("close", () => clearTimeout(timer));
  let head = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk]);
    const protocol = sniff(head);
    if (protocol === undefined) {
      return;
    }
    clearTimeout(timer);
    connection.off("data", onData);
    connection.pause();
    onHeard(head, protocol).catch(() => connection.destroy());
  };
  connection.on("data", onData);
}

async function loadTls(tls: ServerTls, handshakeTimeoutMs: number): Promise<SecureServer> {
  // Loaded here, as most plugins do without.
  const { createSecureServer } = await import("../tls/secure-server.ts");
  return createSecureServer(tls, { alpn: ["h2", "http/1.1"], handshakeTimeoutMs });
}
