import type * as http from "node:http";
import type { Socket } from "node:net";
import { requestIdFor } from "../../call/request-id.ts";
import { securityHeaders } from "../../http/response-headers.ts";

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/**
 * Limits the requests that a connection of HTTP/1.1 may have in flight. Node hands out all requests that a caller sends
 * without waiting for responses; the first beyond the limit gets 429, as the last on its connection, and those behind
 * it nothing: they stay with the caller until that response has left, but for what was read together with it.
 */
export function limitPipeline(handle: Handler, maxRequests: number, hsts: string | undefined): Handler {
  const running = new WeakMap<Socket, number>();
  /** Their last responses. */
  const full = new WeakMap<Socket, http.ServerResponse>();
  return (request, response) => {
    const { socket } = request;
    const last = full.get(socket);
    if (last !== undefined) {
      hold(socket, last);
      return;
    }
    const count = (running.get(socket) ?? 0) + 1;
    if (count > maxRequests) {
      full.set(socket, response);
      hold(socket, response);
      // An end that is not read on from would be a reset, which can cost the response.
      response.once("finish", () => socket.resume());
      refuse(request, response, hsts);
      return;
    }
    running.set(socket, count);
    response.once("close", () => running.set(socket, (running.get(socket) ?? 1) - 1));
    handle(request, response);
  };
}

/** Reads no more until the last response has left. */
function hold(socket: Socket, last: http.ServerResponse) {
  // Node goes on with the end of each request.
  process.nextTick(() => {
    if (!last.writableFinished) {
      socket.pause();
    }
  });
}

function refuse({ headers }: http.IncomingMessage, response: http.ServerResponse, hsts: string | undefined) {
  const fields = securityHeaders(requestIdFor(headers["x-request-id"]?.toString()), hsts);
  response.writeHead(429, { ...Object.fromEntries(fields), "Content-Type": "application/json", Connection: "close" });
  response.end(JSON.stringify({ code: "resource_exhausted", message: "too many requests at once on a connection" }));
}
