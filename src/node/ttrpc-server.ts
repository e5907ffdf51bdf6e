import { socketCarrier } from "../ttrpc/carriers/socket.ts";
import { createTtrpcServing } from "../ttrpc/serving.ts";
import type { ProtocolServer, ProtocolServerOptions } from "./protocol-server.ts";

/** Serves ttrpc on sockets. */
export function createTtrpcServer({ table, maxMessageBytes, headerTimeoutMs }: ProtocolServerOptions): ProtocolServer {
  const { accept, drain, abort } = createTtrpcServing({ table, maxMessageBytes, frameTimeoutMs: headerTimeoutMs });
  return { accept: (socket) => accept(socketCarrier(socket)), drain, abort };
}
