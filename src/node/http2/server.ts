import * as http2 from "node:http2";
import { setDeadlineTimer } from "../../base/async/within.ts";
import { maxFields } from "../../call/messages/connection-fields.ts";
import type { Keepalive } from "../../call/time/keepalive.ts";
import type { HandleGrpc } from "../grpc/server/grpc-server.ts";
import type { HttpHandler } from "../http/adapter.ts";
import { countResponses } from "../http/responses-in-flight.ts";
import type { ProtocolServer } from "../listen/protocol-server.ts";
import { maxSessionMemory } from "./limits.ts";
import { watchHttp2 } from "./liveness.ts";

/** Options for serving HTTP/2. */
export interface Http2Limits {
  /** Requests that a connection may have in flight. */
  readonly maxConcurrentStreams: number;
  /** Milliseconds that a connection may take until its first frame. */
  readonly headerTimeoutMs: number;
  /** Milliseconds that a connection without a request in flight may be silent. Default: for ever. */
  readonly idleTimeoutMs: number | undefined;
  /** Pings that find out that a client has vanished. */
  readonly keepalive: Keepalive;
}

/**
 * Serves HTTP/2 on the connections that it is handed.
 * @param handleGrpc Is asked first.
 */
export function createHttp2Server(
  handler: HttpHandler,
  handleGrpc: HandleGrpc,
  { maxConcurrentStreams, headerTimeoutMs, idleTimeoutMs, keepalive }: Http2Limits,
): Omit<ProtocolServer, "abort"> {
  const { handle, count, idle } = countResponses(handler);
  const sessions = new Set<http2.Http2Session>();
  let draining = false;
  const handleToEnd = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => {
    closeAfterResponse(request, response);
    handle(request, response);
  };
  const server = http2.createServer(
    { maxSessionMemory, maxHeaderListPairs: maxFields, settings: { maxConcurrentStreams } },
    handleToEnd,
  );
  // Calls of gRPC are handled on their streams; Node makes a request and a response of every other.
  for (const makeRequest of server.listeners("stream")) {
    server.removeListener("stream", makeRequest as () => void);
    server.on("stream", (stream, fields, ...more) => {
      if (handleGrpc(stream, fields)) {
        count(stream);
      } else {
        makeRequest.call(server, stream, fields, ...more);
      }
    });
  }
  // Node would respond to these itself.
  server.on("checkExpectation", handleToEnd).on("connect", handleToEnd);
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
    // And the calls on it.
    watchHttp2(session, keepalive, () => session.destroy());
    if (idleTimeoutMs !== undefined) {
      closeWhenIdle(session, idleTimeoutMs);
    }
    if (draining) {
      session.close();
    }
  });
  return {
    accept: (socket) => server.emit("connection", socket),
    async drain() {
      draining = true;
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

/** Closes a connection on which there has been nothing to do for so long: also one that never ends the headers of a request. */
function closeWhenIdle(session: http2.ServerHttp2Session, timeoutMs: number) {
  let streams = 0;
  let timer = setDeadlineTimer(() => session.destroy(), timeoutMs);
  session.on("stream", (stream) => {
    streams += 1;
    clearTimeout(timer);
    stream.once("close", () => {
      streams -= 1;
      if (streams === 0 && !session.closed) {
        timer = setDeadlineTimer(() => session.close(() => session.destroy()), timeoutMs);
      }
    });
  });
  session.once("close", () => clearTimeout(timer));
}

/**
 * Closes a stream once its response is complete, whether or not the caller has more to send, as RFC 9113, section 8.1
 * has it. Node waits for the caller to end its request, so one that does not would keep the stream, and a drain, from
 * ending.
 */
function closeAfterResponse(request: http2.Http2ServerRequest, { stream }: http2.Http2ServerResponse): void {
  // Not before the trailers, which Node itself sends on this event, and hands over only when it is through with it.
  stream.once("wantTrailers", () => setImmediate(close));
  // A response of headers alone has no trailers. One with a body has not left yet, unless it is short.
  stream.once("finish", () =>
    setImmediate(() => {
      if (stream.state.localClose === 1) {
        close();
      }
    }),
  );

  function close() {
    if (request.complete || stream.destroyed) {
      return;
    }
    stream.close(http2.constants.NGHTTP2_NO_ERROR);
    // Node keeps a stream until all that came is read, and its request pauses it while it is not read.
    stream.removeAllListeners("data");
    stream.resume();
  }
}
