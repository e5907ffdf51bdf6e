import * as net from "node:net";
import type { Duplex } from "node:stream";
import * as tls from "node:tls";
import type { Credentials } from "./credentials.ts";
import { tlsError } from "./errors.ts";
import { explainTls, reasonOf } from "./explain-tls.ts";
import type { Identity } from "./read-pem.ts";

/** Options for speaking TLS as a client. */
export interface SecureClientOptions {
  /** Protocols to offer (RFC 7301). Default: "h2". */
  readonly alpn?: readonly string[];
  /** The other side's name in messages. Default: the other side. */
  readonly place?: string;
  /** The name that the server's certificate has to carry. Default: "localhost". */
  readonly serverName?: string;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/** Milliseconds that the other side may take for its part. */
const handshakeTimeoutMs = 10_000;

/**
 * Speaks TLS on a connection that is open, as its client. If that fails, the connection is closed.
 * @throws PlugboardError PB-TLS-*; nothing was sent then.
 */
export async function secureClient(
  connection: Duplex,
  credentials: Credentials,
  { alpn = ["h2"], place, serverName = "localhost", signal }: SecureClientOptions = {},
): Promise<tls.TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<tls.TLSSocket>();
  const who = place === undefined ? "the other side" : `the server at ${place}`;
  const peer = { who, ownCertificate: credentials.hasIdentity };
  const fail = (error: Error) =>
    reject(
      explainTls(error, peer) ??
        tlsError("PB-TLS-FAILED", `TLS with ${who} failed (${reasonOf(error)})`, { cause: error }),
    );
  // For good, and from the start, as reading files takes a while: an error that comes meanwhile must not become an
  // uncaught exception.
  connection.on("error", fail);
  promise.catch(() => undefined);
  let read: Partial<Identity> & { readonly roots?: string };
  try {
    read = await credentials.current();
    signal?.throwIfAborted();
  } catch (error) {
    connection.destroy();
    throw error;
  }
  if (connection.destroyed) {
    fail(new Error("it closed the connection"));
    return promise;
  }
  const { roots, certificate, key } = read;
  const socket = tls.connect({
    socket: connection,
    // An address can't be sent, but is still looked for in the certificate.
    ...(net.isIP(serverName) === 0 ? { servername: serverName } : { host: serverName }),
    ...(roots !== undefined && { ca: roots }),
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
    ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
    minVersion: "TLSv1.2",
    // Whatever NODE_TLS_REJECT_UNAUTHORIZED says: who names certificates to trust means it.
    rejectUnauthorized: true,
  });
  const timer = setTimeout(
    () =>
      reject(tlsError("PB-TLS-FAILED", `${who} did not complete the TLS handshake within ${handshakeTimeoutMs} ms`)),
    handshakeTimeoutMs,
  );
  const giveUp = () => reject(signal?.reason);
  signal?.addEventListener("abort", giveUp, { once: true });
  socket.on("error", (error) => {
    fail(error);
    // Node leaves it open after an alert; HTTP/2 would wait for its end in vain.
    socket.destroy();
  });
  socket.once("close", () => fail(new Error("it closed the connection")));
  socket.once("secureConnect", () => resolve(socket));
  try {
    return await promise;
  } catch (error) {
    socket.destroy();
    connection.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}
