import type { ConnectError } from "@connectrpc/connect";
import { socketCarrier } from "../../ttrpc/carriers/socket.ts";
import { createTtrpcServing } from "../../ttrpc/server/server.ts";
import { peerOf } from "../conninfo.ts";
import type { HttpServerOptions, ProtocolServer, ProtocolServerOptions } from "./protocol-server.ts";
import type { Sniffed } from "./sniff.ts";

/** The servers of one address, by protocol. */
export interface ProtocolServers {
  /** The one for what was sniffed; undefined if that is none that is served. */
  serverFor(protocol: Sniffed): Promise<ProtocolServer | undefined>;
  /**
   * Takes no new calls. Settles when none is in flight and no handler runs any more.
   * @param allOpened Settles when each connection has its server: one of them may be the first to need HTTP.
   */
  drain(allOpened: Promise<unknown>): Promise<unknown>;
  /** Ends the calls in flight; their callers and handlers are told the reason. */
  abort(reason: ConnectError): Promise<void>;
}

type HttpServers = ReturnType<typeof import("../http/http-server.ts").createHttpServer>;

/** Makes the servers. Those of HTTP are loaded with the first connection: a plugin that only its host calls needs none. */
export function createProtocolServers(options: HttpServerOptions): ProtocolServers {
  const ttrpc = createTtrpcServer(options);
  let http: Promise<HttpServers> | undefined;
  const loadHttp = async () => (await import("../http/http-server.ts")).createHttpServer(options);
  const drainHttp = () => http?.then((loaded) => Promise.all(httpServers(loaded).map((each) => each.drain())));
  return {
    async serverFor(protocol) {
      if (protocol === "ttrpc") {
        return ttrpc;
      }
      if (protocol === "http/1.1" || protocol === "http/2") {
        http ??= loadHttp();
        return (await http)[protocol];
      }
      return undefined;
    },
    drain(allOpened) {
      const early = drainHttp();
      const late = allOpened.then(() => (early === undefined ? drainHttp() : undefined));
      return Promise.all([ttrpc.drain(), early, late]);
    },
    async abort(reason) {
      ttrpc.abort(reason);
      for (const server of httpServers(await http)) {
        server.abort(reason);
      }
    },
  };
}

function httpServers(http: HttpServers | undefined): readonly ProtocolServer[] {
  return http === undefined ? [] : [http["http/1.1"], http["http/2"]];
}

function createTtrpcServer({ table, policy, headerTimeoutMs, keepalive }: ProtocolServerOptions): ProtocolServer {
  const { accept, drain, abort } = createTtrpcServing({ table, policy, frameTimeoutMs: headerTimeoutMs, keepalive });
  return { accept: (socket) => accept(socketCarrier(socket), peerOf(socket)), drain, abort };
}
