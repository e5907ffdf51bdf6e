import * as http2 from "node:http2";
import * as net from "node:net";
import type { NodeHttpClientOptions } from "@connectrpc/connect-node";
import { dialFailed } from "../client/dialer.ts";
import type { Address } from "../client/endpoint.ts";
import { PlugboardError } from "../plugin/errors.ts";
import { maxSessionMemory } from "./session-memory.ts";

type SessionProvider = NonNullable<Extract<NodeHttpClientOptions, { httpVersion: "2" }>["sessionProvider"]>;

/** What connect-node's transports send their requests to. */
type SessionManager = ReturnType<SessionProvider>;

/** An HTTP/2 connection that is opened when it is needed, and again when it was lost. */
export interface Http2Connection extends SessionManager {
  /**
   * Opens the connection, unless it is open.
   * @throws PlugboardError PB-DIAL-FAILED if nobody answers in HTTP/2.
   */
  open(): Promise<void>;
  /** Breaks the connection off. */
  close(): void;
}

/**
 * Makes a connection to one address.
 *
 * connect-node has one too, but takes a connection for open before the other side has said that it speaks HTTP/2, and
 * lets the error of one that does not end the process.
 */
export function createHttp2Connection(baseUrl: string, socket: net.NetConnectOpts, address: Address): Http2Connection {
  let current: http2.ClientHttp2Session | undefined;
  let opening: Promise<http2.ClientHttp2Session> | undefined;
  let closed = false;

  function connect(): Promise<http2.ClientHttp2Session> {
    const { promise, resolve, reject } = Promise.withResolvers<http2.ClientHttp2Session>();
    const carrier = net.connect(socket);
    const session = http2.connect(baseUrl, { maxSessionMemory, createConnection: () => carrier });
    current = session;
    // Its settings are the first that a server says.
    session.once("remoteSettings", () => {
      // Before Node's own listener, which ends the calls in flight as if the server had cancelled each of them.
      carrier.prependOnceListener("close", () => session.destroy(connectionLost()));
      resolve(session);
    });
    // For good: what comes late must not become an uncaught exception.
    session.on("error", (error) => reject(dialFailed(address, error)));
    session.once("close", () => {
      reject(dialFailed(address, "the connection was closed before it said anything in HTTP/2"));
      if (current === session) {
        current = undefined;
      }
    });
    return promise;
  }

  async function session(): Promise<http2.ClientHttp2Session> {
    if (closed) {
      throw new PlugboardError("PB-CONNECTION-CLOSED", "the connection is closed");
    }
    if (opening === undefined || current === undefined || current.closed || current.destroyed) {
      opening = connect();
    }
    return opening;
  }

  return {
    authority: new URL(baseUrl).origin,
    async open() {
      await session();
    },
    async request(method, path, headers, options) {
      return (await session()).request({ ...headers, ":method": method, ":path": path }, options);
    },
    // Only of use to those who ping.
    notifyResponseByteRead() {},
    close() {
      closed = true;
      current?.destroy(undefined, http2.constants.NGHTTP2_CANCEL);
    },
  };
}

/** As Node itself says it of HTTP/1.1. */
function connectionLost(): Error {
  return Object.assign(new Error("the other side closed the connection"), { code: "ECONNRESET" });
}
