// Imports jose alone: what a module that is loaded later shares with others, bundlers of Workers keep in all of them.
import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from "jose";
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify } from "jose";

/** Which tokens to take; nobody checks here whether that would be too many. */
export interface JwtVerifierOptions {
  readonly keys: URL | JSONWebKeySet | Uint8Array;
  readonly algorithms: string[];
  readonly issuer: string[];
  readonly audience: string[];
  /** In seconds. */
  readonly clockTolerance: number;
}

/** What has become of a token. */
export type Verified =
  | { readonly kind: "valid"; readonly claims: JWTPayload }
  | { readonly kind: "expired" }
  | { readonly kind: "invalid" }
  /** The issuer's keys can't be had. The reason is there for the first to find that out, and holds nothing of the token. */
  | { readonly kind: "unknown"; readonly reason?: unknown };

/** Longest wait for an issuer's keys, in milliseconds. */
const fetchTimeoutMs = 5_000;

/** How long keys are good without asking, in milliseconds. */
const keysMaxAgeMs = 10 * 60_000;

/** How long not to ask again: after keys have come, and after they have not; in milliseconds. */
const cooldownMs = { succeeded: 30_000, failed: 2_000 } as const;

/** Says that an issuer's keys could not be had. */
class KeysUnavailable extends Error {}

/** Makes what verifies tokens. */
export function createJwtVerifier({ keys, ...options }: JwtVerifierOptions): (token: string) => Promise<Verified> {
  const verifyOptions = { ...options, requiredClaims: ["exp", "sub"] };
  const findKey: JWTVerifyGetKey =
    keys instanceof Uint8Array ? () => keys : keys instanceof URL ? remoteKeys(keys) : createLocalJWKSet(keys);
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, findKey, verifyOptions);
      return { kind: "valid", claims: payload };
    } catch (error) {
      if (error instanceof KeysUnavailable) {
        return { kind: "unknown", reason: error.cause };
      }
      if (error instanceof errors.JWTExpired) {
        return { kind: "expired" };
      }
      if (error instanceof errors.JOSEError) {
        return { kind: "invalid" };
      }
      throw error;
    }
  };
}

/** Keys from a URL. While they can't be had they are not asked for with every token that somebody makes up. */
function remoteKeys(url: URL): JWTVerifyGetKey {
  const find = createRemoteJWKSet(url, {
    timeoutDuration: fetchTimeoutMs,
    cacheMaxAge: keysMaxAgeMs,
    cooldownDuration: cooldownMs.succeeded,
  });
  let failedAt = Number.NEGATIVE_INFINITY;
  return async (header, token) => {
    if (performance.now() - failedAt < cooldownMs.failed) {
      throw new KeysUnavailable();
    }
    try {
      return await find(header, token);
    } catch (cause) {
      if (isAboutToken(cause)) {
        throw cause;
      }
      failedAt = performance.now();
      throw new KeysUnavailable(undefined, { cause });
    }
  };
}

/** Whether an error in finding a key says that there is none for this token. */
function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}
