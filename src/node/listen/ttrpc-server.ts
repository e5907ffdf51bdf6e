import { socketCarrier } from "../../ttrpc/carriers/socket.ts";
import { createTtrpcServing } from "../../ttrpc/server/server.ts";
import { peerOf } from "../conninfo.ts";
import type { ProtocolServer, ProtocolServerOptions } from "./protocol-server.ts";

/** Serves ttrpc on sockets. */
export function createTtrpcServer({
  table,
  policy,
  headerTimeoutMs,
  keepalive,
}: ProtocolServerOptions): ProtocolServer {
  const { accept, drain, abort } = createTtrpcServing({ table, policy, frameTimeoutMs: headerTimeoutMs, keepalive });
  return { accept: (socket) => accept(socketCarrier(socket), peerOf(socket)), drain, abort };
}
