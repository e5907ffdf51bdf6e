import * as http2 from "node:http2";
import { maxConcurrentCalls } from "../ttrpc/serving.ts";
import { countAnswers } from "./answers-in-flight.ts";
import { closeWhenAnswered } from "./close-when-answered.ts";
import type { HttpHandler } from "./http-handler.ts";
import type { ProtocolServer } from "./protocol-server.ts";
import { maxSessionMemory } from "./session-memory.ts";

/**
 * Serves HTTP/2 on the connections that it is handed.
 * @param headerTimeoutMs How long a connection may take until it has said something in HTTP/2, in milliseconds.
 */
export function createHttp2Server(handler: HttpHandler, headerTimeoutMs: number): Omit<ProtocolServer, "abort"> {
  const { handle, idle } = countAnswers(handler);
  const sessions = new Set<http2.Http2Session>();
  const server = http2.createServer(
    { maxSessionMemory, settings: { maxConcurrentStreams: maxConcurrentCalls } },
    (request, response) => {
      closeWhenAnswered(request, response);
      handle(request, response);
    },
  );
  server.on("session", (session) => {
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
  return {
    accept: (socket) => server.emit("connection", socket),
    async drain() {
      for (const session of sessions) {
        session.close();
      }
      await idle();
      // Node calls a stream closed while it is still about to write its trailers; it has done so in the next turn.
      await new Promise((resolve) => setImmediate(resolve));
      server.close();
    },
  };
}
