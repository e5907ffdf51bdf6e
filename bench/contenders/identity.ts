/** A certificate with its key, which both ends show, and the only one that they trust. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** The variable by which both ends are told of it, as JSON. Without it there is no TLS. */
export const identityVariable = "BENCH_IDENTITY";

/** The name in the certificate. */
export const serverName = "localhost";

/** What both ends were told. */
export function givenIdentity(): Identity | undefined {
  const text = process.env[identityVariable];
  return text === undefined ? undefined : JSON.parse(text);
}

/** The options of Node's TLS, of either end. */
export function tlsOptions({ certificate, key }: Identity) {
  return {
    cert: certificate,
    key,
    ca: certificate,
    requestCert: true,
    rejectUnauthorized: true,
    servername: serverName,
  };
}
