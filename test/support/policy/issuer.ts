import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import type { CryptoKey, JWTPayload } from "jose";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from "jose";

/** One of an issuer's keys. */
export interface IssuerKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** An issuer of tokens, which publishes its keys on a real socket. */
export interface Issuer extends AsyncDisposable {
  /** The URL of its key set. */
  readonly url: string;
  /** Those it publishes; may be changed. */
  readonly keys: IssuerKey[];
  /** How often it was asked for them. */
  readonly asked: () => number;
  /** Its response instead; `undefined`: the key set. */
  respondWith(reply: ((response: http.ServerResponse) => void) | undefined): void;
}

/** Makes a key pair. */
export async function makeKey(kid: string, alg = "ES256"): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicKey };
}

/** The public half as a PEM text. */
export const publicPem = ({ publicKey }: IssuerKey) => exportSPKI(publicKey);

/** The claims of a token that is right in all. */
export function goodClaims(): JWTPayload {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: "https://issuer.test",
    aud: "notes",
    sub: "ann",
    iat: now,
    exp: now + 300,
    scope: "notes.write notes.read",
  };
}

/** Signs a token. */
export function sign({ privateKey, kid, alg }: IssuerKey, claims: JWTPayload): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg, kid, typ: "JWT" }).sign(privateKey);
}

/** Starts an issuer. */
export async function startIssuer(keys: IssuerKey[]): Promise<Issuer> {
  let asked = 0;
  let reply: ((response: http.ServerResponse) => void) | undefined;
  const server = http.createServer(async (_request, response) => {
    asked += 1;
    if (reply !== undefined) {
      reply(response);
      return;
    }
    const jwks = await Promise.all(
      keys.map(async ({ publicKey, kid, alg }) => ({ ...(await exportJWK(publicKey)), kid, alg })),
    );
    response.setHeader("Content-Type", "application/json").end(JSON.stringify({ keys: jwks }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // It listens on TCP.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/jwks.json`,
    keys,
    asked: () => asked,
    respondWith(given) {
      reply = given;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
