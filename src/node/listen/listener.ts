import * as net from "node:net";
import type { Duplex } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import { within } from "../../base/async/within.ts";
import type { PlugboardError } from "../../base/errors.ts";
import { defaultLog } from "../../base/log.ts";
import type { CallPolicy } from "../../call/call-policy.ts";
import { trustedLimits } from "../../call/call-policy.ts";
import { endCalls } from "../../call/time/grace-period.ts";
import type { Keepalive } from "../../call/time/keepalive.ts";
import { keepaliveOn } from "../../call/time/keepalive.ts";
import { createOriginLog } from "../../http/cors.ts";
import type { HostRule } from "../../http/hosts.ts";
import { onlyHosts, onlyLoopbackHosts } from "../../http/hosts.ts";
import type { RunningPlugin } from "../../plugin/running-plugin.ts";
import type { Hsts } from "../../policy/hsts.ts";
import { hstsValue } from "../../policy/hsts.ts";
import { tcpKeepalive } from "../dial/open-socket.ts";
import type { ServerCredentials } from "../tls/credentials.ts";
import type { SecureServer } from "../tls/secure-server.ts";
import type { TrustedProxy } from "../trusted-proxy.ts";
import { bind } from "./bind.ts";
import { createConnections } from "./connections.ts";
import type { ListenAddress } from "./listen-address.ts";
import { isOnNetwork } from "./listen-address.ts";
import { lastCallMs } from "./protocol-server.ts";
import { createProtocolServers } from "./protocol-servers.ts";
import { createReception } from "./reception.ts";
import type { Multiplexing } from "./single-connection.ts";
import { createSingleConnection } from "./single-connection.ts";

/** Options for listening. */
export interface ListenOptions {
  /**
   * The limits, gates and observer of every call. Default: messages of 4 MiB, and 1,024 calls at once on a connection.
   */
  readonly policy?: CallPolicy;
  /** Origins whose pages may call. Default: none. */
  readonly origins?: readonly string[];
  /** Hosts that requests may be for. Default: any; on plain TCP on the loopback interface, its names. */
  readonly hosts?: readonly string[];
  /** Is in front. Without TLS, connections of others are not served. Default: none. */
  readonly proxy?: TrustedProxy;
  /** Milliseconds that a connection may take for its first bytes, and for its request headers. Default: 10,000. */
  readonly headerTimeoutMs?: number;
  /** Pings that find out that a client has vanished. Default: a ping after 30 s of silence, 10 s to respond. */
  readonly keepalive?: Keepalive;
  /** Milliseconds that a connection of HTTP/1.1 may wait for its next request. Default: 75,000. */
  readonly idleConnectionMs?: number;
  /** Connections that may be open at once, of every protocol; those beyond are closed. Default: any number. */
  readonly maxConnections?: number;
  /** `Strict-Transport-Security` of responses in TLS. Default: two years, of this host alone. */
  readonly hsts?: Hsts | false | undefined;
  /**
   * Take one connection, the first that says something, and serve on those that this carries within it. Draining closes it,
   * too.
   */
  readonly multiplexing?: Multiplexing;
  /**
   * Speak TLS alone, on every connection for itself; within it all protocols are served. A peer that comes without is told
   * so. Default: no TLS.
   */
  readonly tls?: ServerCredentials;
  /** Is told of each connection that was refused for TLS (PB-TLS-*). */
  readonly onRefused?: (error: PlugboardError) => void;
}

/** One address at which a plugin speaks every protocol it knows. */
export interface Listener {
  /** The address that it listens on; for tcp with the port that was chosen. */
  readonly address: ListenAddress;
  /** Serves on a connection that did not come to the address. */
  accept(connection: Duplex): void;
  /**
   * Stops accepting, lets the calls in flight finish within the grace period (in milliseconds), and handlers that go on after
   * their calls; then aborts what is left with `unavailable` and closes every connection.
   */
  drain(graceMs: number): Promise<void>;
}

/**
 * Listens for all protocols on one socket. What the first bytes of a connection tell apart goes to a server of its own.
 * @throws PlugboardError PB-LISTEN-FAILED, PB-SOCKET-PATH
 */
export async function listen(
  running: RunningPlugin,
  address: ListenAddress,
  options: ListenOptions,
): Promise<Listener> {
  const { policy = { limits: trustedLimits, log: defaultLog }, origins = [], headerTimeoutMs = 10_000 } = options;
  const { idleConnectionMs = 75_000, keepalive = keepaliveOn(address.carrier) } = options;
  const { multiplexing, tls, onRefused, hosts, proxy } = options;
  const secureServer = tls && (await loadTls(tls, headerTimeoutMs));
  const connections = createConnections(options.maxConnections);
  const { serverFor, drain, abort } = createProtocolServers({
    table: running.table,
    policy,
    origins,
    originRefused: createOriginLog(policy.log),
    headerTimeoutMs,
    keepalive,
    idleConnectionMs,
    hsts: tls && hstsValue(options.hsts),
    hosts: hostRule(address, hosts, tls !== undefined),
    proxy,
  });
  const { receive, allOpened } = createReception({ connections, serverFor, secureServer, headerTimeoutMs, onRefused });
  const accept = (connection: Duplex) => {
    if (connections.admit(connection)) {
      receive(connection);
    }
  };
  const single = multiplexing && createSingleConnection(multiplexing, accept, headerTimeoutMs);
  const onlyProxy = tls === undefined && isOnNetwork(address) ? proxy : undefined;
  const server = net.createServer(tcpKeepalive, (socket) => {
    if (single !== undefined) {
      single.take(socket);
    } else if (onlyProxy?.accepts(socket.remoteAddress) === false) {
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
      connections.refuseMore();
      const graceEnds = performance.now() + graceMs;
      const stopped = new Promise((resolve) => server.close(resolve));
      // What is said first on a connection is most likely on its way.
      await endCalls(drain(within(lastCallMs, allOpened())), graceMs, () =>
        abort(new ConnectError("the plugin is shutting down", Code.Unavailable)),
      );
      await connections.close(graceEnds);
      await single?.close();
      await stopped;
    },
  };
}

async function loadTls(tls: ServerCredentials, handshakeTimeoutMs: number): Promise<SecureServer> {
  // Loaded here, as most plugins do without.
  const { createSecureServer } = await import("../tls/secure-server.ts");
  return createSecureServer(tls, { alpn: ["h2", "http/1.1"], handshakeTimeoutMs });
}

function hostRule(address: ListenAddress, hosts: readonly string[] | undefined, isTls: boolean): HostRule | undefined {
  // No website leads to a Unix socket, whose clients may name anything.
  if (address.carrier !== "tcp") {
    return undefined;
  }
  if (hosts !== undefined) {
    return onlyHosts(hosts);
  }
  // In TLS it is the certificate that says who is meant.
  return isTls || isOnNetwork(address) ? undefined : onlyLoopbackHosts;
}
