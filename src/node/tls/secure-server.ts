import type { Duplex } from "node:stream";
import * as tls from "node:tls";
import type { PlugboardError } from "../../base/errors.ts";
import { tlsRefusal } from "../../client/dialers/failures/errors.ts";
import type { ServerCredentials } from "./credentials.ts";
import { tlsError } from "./errors.ts";
import { explainTls, reasonOf } from "./explain-tls.ts";

/** Speaks TLS, as the server, on one connection after the other. */
export interface SecureServer {
  /**
   * Speaks TLS on a connection that is open. If that fails, the connection is closed; a client whose certificate will
   * not do is told so first.
   * @throws PlugboardError PB-TLS-*
   */
  wrapTls(connection: Duplex): Promise<tls.TLSSocket>;
}

/** Options for speaking TLS as a server. */
export interface SecureServerOptions {
  /** Protocols to choose from, best first (RFC 7301). Default: "h2". */
  readonly alpn?: readonly string[];
  /** Milliseconds that the other side may take for its part. Default: 10,000. */
  readonly handshakeTimeoutMs?: number;
}

/** Speaks TLS on many connections, with the certificates and the key that count then. */
export function createSecureServer(
  credentials: ServerCredentials,
  { alpn = ["h2"], handshakeTimeoutMs = 10_000 }: SecureServerOptions = {},
): SecureServer {
  async function serverOptions(): Promise<tls.TlsOptions> {
    const { certificate, key, roots } = await credentials.current();
    return {
      cert: certificate,
      key,
      minVersion: "TLSv1.2",
      ALPNProtocols: [...alpn],
      handshakeTimeout: handshakeTimeoutMs,
      ...(roots !== undefined && {
        ca: roots,
        requestCert: true,
        // allowed tls: Node would just hang up, and the client would never learn why. `checkClient` lets in no one
        // without authorization.
        rejectUnauthorized: false,
      }),
    };
  }

  async function checkClient(socket: tls.TLSSocket) {
    if (credentials.hasRoots && !socket.authorized) {
      const { error, said } = whyUnauthorized(socket);
      const { refusePeer } = await import("../listen/refuse-peer.ts");
      refusePeer(socket, said, handshakeTimeoutMs);
      throw error;
    }
    return socket;
  }

  return {
    async wrapTls(connection) {
      const { promise, resolve, reject } = Promise.withResolvers<tls.TLSSocket>();
      connection.on("error", reject);
      connection.once("close", () => reject(new Error("the connection was closed")));
      // It may be closed while files are read.
      promise.catch(() => undefined);
      let socket: tls.TLSSocket;
      try {
        const current = await serverOptions();
        if (connection.destroyed) {
          throw new Error("the connection was closed");
        }
        // One for each connection: it never listens, and tells of this one alone.
        const server = tls.createServer(current);
        server.once("secureConnection", (socket) => {
          socket.on("error", () => socket.destroy());
          resolve(socket);
        });
        server.once("tlsClientError", reject);
        server.emit("connection", connection);
        socket = await promise;
      } catch (cause) {
        connection.destroy();
        const error = cause instanceof Error ? cause : new Error(String(cause));
        throw (
          explainTls(error, { who: "a client", ownCertificate: true }) ??
          tlsError("PB-TLS-FAILED", `TLS with a client failed (${reasonOf(error)})`, {
            cause: error,
          })
        );
      }
      return checkClient(socket);
    },
  };
}

/** The reason why a client is not served: for us, and for itself. */
function whyUnauthorized(socket: tls.TLSSocket): { readonly error: PlugboardError; readonly said: PlugboardError } {
  if (socket.getPeerX509Certificate() === undefined) {
    const error = tlsRefusal("PB-TLS-CLIENT-CERTIFICATE", "a client has no certificate", {
      hint: "Give it one that is, or was issued by, one of tls.clientRoots.",
    });
    return {
      error,
      said: tlsRefusal("PB-TLS-CLIENT-CERTIFICATE", "this server requires a certificate of its clients"),
    };
  }
  // Node gives OpenSSL's code here, though its types say else.
  const code = String(socket.authorizationError);
  const cause = Object.assign(new Error(code), { code });
  const error =
    explainTls(cause, { who: "a client", ownCertificate: true }) ??
    tlsError("PB-TLS-UNTRUSTED", `a client has a certificate that is not trusted here (${code})`);
  const said = tlsRefusal("PB-TLS-REFUSED", `this server does not accept the client's certificate (${code})`);
  return { error, said };
}
