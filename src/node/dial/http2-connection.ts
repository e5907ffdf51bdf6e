import * as http2 from "node:http2";
import * as net from "node:net";
import type { Duplex } from "node:stream";
import type { Interceptor } from "@connectrpc/connect";
import type { NodeHttpClientOptions } from "@connectrpc/connect-node";
import type { Address } from "../../address/endpoint.ts";
import { untilAborted } from "../../base/async/until-aborted.ts";
import { setDeadlineTimer } from "../../base/async/within.ts";
import type { PlugboardError } from "../../base/errors.ts";
import { isPlugboardError } from "../../base/errors.ts";
import { maxFields } from "../../call/messages/connection-fields.ts";
import type { Keepalive, Liveness } from "../../call/time/keepalive.ts";
import { openingTimeoutMs } from "../../call/time/keepalive.ts";
import { dialFailed } from "../../client/dialers/dialer.ts";
import { clientError } from "../../client/errors.ts";
import { maxSessionMemory } from "../http2/limits.ts";
import { watchHttp2 } from "../http2/liveness.ts";
import { watchGoaway, watchResets } from "../http2/reset.ts";
import { readHttp2Stream } from "./read-http2-stream.ts";

type SessionProvider = NonNullable<Extract<NodeHttpClientOptions, { httpVersion: "2" }>["sessionProvider"]>;

/** The connection that connect-node's transports send their requests to. */
type SessionManager = ReturnType<SessionProvider>;

/** An HTTP/2 connection that is opened when it is needed, and again when it was lost. */
export interface Http2Connection extends SessionManager {
  /**
   * Opens the connection, unless it is open.
   * @throws PlugboardError PB-DIAL-FAILED if nothing responds in HTTP/2.
   */
  open(): Promise<http2.ClientHttp2Session>;
  /** The connection if it is open, and takes requests. */
  readonly current: http2.ClientHttp2Session | undefined;
  /** Begins a request on the connection. */
  start(on: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders): http2.ClientHttp2Stream;
  /** Pings as a peer of our own wants it, from now on: also while no call is in flight. */
  watchIdle(keepalive: Keepalive): void;
  /** Breaks the connection off. */
  close(): void;
}

/** Options for a connection. */
export interface Http2ConnectionOptions {
  readonly baseUrl: string;
  /** The address to connect to, or a function that opens a connection each time that one is needed. */
  readonly opener: net.NetConnectOpts | (() => Promise<Duplex>);
  readonly address: Pick<Address, "text">;
  /** Pings that find out that the server has vanished, sent while a call is in flight. */
  readonly keepalive: Keepalive;
  /** Says more of an error that has ended a connection. Default: as it is. */
  readonly explain?: (error: Error) => Error;
}

/**
 * Makes a connection to one address.
 *
 * connect-node has one too, but takes a connection for open before the other side has said that it speaks HTTP/2, and
 * lets the error of one that does not end the process.
 */
export function createHttp2Connection(options: Http2ConnectionOptions): Http2Connection {
  const { baseUrl, opener, address, explain = (error) => error } = options;
  let { keepalive } = options;
  let pingsIdle = false;
  /** Of the connection that was opened last, once it is open. Those that only end their calls are watched on. */
  let watching: Pick<Liveness, "stop"> | undefined;
  let current: http2.ClientHttp2Session | undefined;
  let opening: Promise<http2.ClientHttp2Session> | undefined;
  let closed = false;
  let calls = 0;

  function connect(carrier: Duplex): Promise<http2.ClientHttp2Session> {
    const { promise, resolve, reject } = Promise.withResolvers<http2.ClientHttp2Session>();
    const session = http2.connect(baseUrl, {
      maxSessionMemory,
      maxHeaderListPairs: maxFields,
      createConnection: () => carrier,
      settings: { enablePush: false },
    });
    current = session;
    // That of the one before, which only ends its calls.
    watching = undefined;
    watchGoaway(session);
    // Pushed all the same, before the server knew: without a listener, its error would end the process.
    session.on("stream", (pushed: http2.ClientHttp2Stream) => {
      pushed.on("error", ignore);
      pushed.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    });
    // Also when it is gone for us: what is late must not become an uncaught exception either.
    carrier.on("error", ignore);
    const openingMs = openingTimeoutMs(keepalive);
    const tooLate = () => session.destroy(new Error(`no HTTP/2 frame came within ${openingMs} ms`));
    const timer = keepalive.pingAfterMs < Number.POSITIVE_INFINITY ? setDeadlineTimer(tooLate, openingMs) : undefined;
    // Its settings are the first that a server says.
    session.once("remoteSettings", () => {
      clearTimeout(timer);
      watching = watchSession(session);
      // Before Node's own listener, which ends the calls in flight as if the server had cancelled each of them.
      carrier.prependOnceListener("close", () => session.destroy(connectionLost()));
      resolve(session);
    });
    // For good: what comes late must not become an uncaught exception.
    session.on("error", (error) => reject(dialFailed(address, explain(error))));
    session.once("close", () => {
      clearTimeout(timer);
      reject(dialFailed(address, "the connection was closed before it said anything in HTTP/2"));
      if (current === session) {
        current = undefined;
        opening = undefined;
      }
    });
    return promise;
  }

  function watchSession(session: http2.ClientHttp2Session) {
    const lost = () => session.destroy(pingTimedOut(keepalive));
    return watchHttp2(session, keepalive, lost, () => pingsIdle || calls > 0);
  }

  async function connectTo(open: () => Promise<Duplex>): Promise<http2.ClientHttp2Session> {
    let carrier: Duplex;
    // While it is being opened there is none, not even one that ends.
    current = undefined;
    try {
      carrier = await open();
    } catch (error) {
      opening = undefined;
      throw isPlugboardError(error) ? error : dialFailed(address, error);
    }
    if (closed) {
      carrier.destroy();
      throw connectionClosed();
    }
    return connect(carrier);
  }

  async function session(): Promise<http2.ClientHttp2Session> {
    if (closed) {
      throw connectionClosed();
    }
    if (opening === undefined || current?.closed || current?.destroyed) {
      opening = typeof opener === "function" ? connectTo(opener) : connect(net.connect(opener));
    }
    return opening;
  }

  const onClose = () => {
    calls -= 1;
  };
  function start(
    on: http2.ClientHttp2Session,
    headers: http2.OutgoingHttpHeaders,
    options?: http2.ClientSessionRequestOptions,
  ) {
    const stream = on.request(headers, options);
    calls += 1;
    stream.once("close", onClose);
    return stream;
  }

  return {
    authority: new URL(baseUrl).origin,
    open: session,
    get current() {
      // It is watched from when it has said something.
      return closed || watching === undefined || current?.closed || current?.destroyed ? undefined : current;
    },
    start,
    async request(method, path, headers, options) {
      const on = await session();
      const stream = start(on, { ...headers, ":method": method, ":path": path }, options);
      const watch = watchResets(on, stream);
      return Object.assign(stream, { [Symbol.asyncIterator]: () => readHttp2Stream(stream, watch) });
    },
    watchIdle(given) {
      if (pingsIdle) {
        return;
      }
      pingsIdle = true;
      keepalive = given;
      if (watching !== undefined && current !== undefined && !current.destroyed) {
        watching.stop();
        watching = watchSession(current);
      }
    },
    // Pings are for what nothing comes from at all.
    notifyResponseByteRead() {},
    close() {
      closed = true;
      current?.destroy(undefined, http2.constants.NGHTTP2_CANCEL);
    },
  };
}

/** Lets a call wait for the connection, so that it learns whether anything was sent. */
export function openFirst(connection: Http2Connection): Interceptor {
  return (next) => async (request) => {
    request.signal.throwIfAborted();
    await untilAborted(request.signal, connection.open());
    return next(request);
  };
}

function ignore() {}

function connectionClosed(): PlugboardError {
  return clientError("PB-CONNECTION-CLOSED", "the connection is closed");
}

/** As Node itself says it of HTTP/1.1. */
function connectionLost(): Error {
  return Object.assign(new Error("the other side closed the connection"), { code: "ECONNRESET" });
}

/** As the system says it of a connection whose packets are not acknowledged. */
function pingTimedOut({ pingTimeoutMs }: Keepalive): Error {
  return Object.assign(new Error(`the other side did not respond to a ping within ${pingTimeoutMs} ms`), {
    code: "ETIMEDOUT",
  });
}
