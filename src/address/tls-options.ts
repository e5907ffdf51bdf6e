import type { OptionNames } from "../plugin/check-options.ts";

/**
 * TLS options of a server. Certificates and keys are PEM texts, or file:// URLs of files that hold them; several
 * certificates may follow one another. Files are read again for the next connection when they have changed; if they are
 * spoilt then, the log says so and the old ones are used on.
 */
export interface ServerTls {
  /** The server's own certificate, then those that lead from it to a root, if there are any. */
  readonly certificate: string;
  /** The private key of the certificate. */
  readonly key: string;
  /**
   * A client needs a certificate that is one of these, or was issued by one of them. Default: clients need none.
   */
  readonly clientRoots?: string;
}

/**
 * TLS options of a client. Certificates and keys are PEM texts, or file:// URLs of files that hold them; several
 * certificates may follow one another. Files are read again for the next connection when they have changed; if they are
 * spoilt then, the log says so and the old ones are used on.
 */
export interface ClientTls {
  /** The server's certificate is one of these, or was issued by one of them. Default: those that Node trusts. */
  readonly roots?: string;
  /** The client's own certificate, for servers that want one. Only together with `key`. */
  readonly certificate?: string;
  /** The private key of the certificate. */
  readonly key?: string;
  /** The name that the server's certificate has to carry. Default: the address's host; "localhost" for a Unix socket. */
  readonly serverName?: string;
}

/** The names of a client's options. */
export const clientTlsNames: OptionNames<ClientTls> = { roots: true, certificate: true, key: true, serverName: true };
