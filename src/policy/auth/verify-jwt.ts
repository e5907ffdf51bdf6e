// Imports jose alone: what a module that is loaded later shares with others, bundlers of Workers keep in all of them.
import type { ExportedJWKSCache, JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from "jose";
import { createLocalJWKSet, createRemoteJWKSet, errors, jwksCache, jwtVerify } from "jose";

/** The tokens to accept. Not checked here for options that would accept too many. */
export interface JwtVerifierOptions {
  readonly keys: URL | JSONWebKeySet | Uint8Array;
  readonly algorithms: string[];
  readonly issuer: string[];
  readonly audience: string[];
  /** In seconds. */
  readonly clockTolerance: number;
}

/** The result of verifying a token. */
export type Verified =
  | { readonly kind: "valid"; readonly claims: JWTPayload }
  | { readonly kind: "expired" }
  | { readonly kind: "invalid" }
  /** The issuer's keys can't be had. The reason is there for the first to find that out, and holds nothing of the token. */
  | { readonly kind: "unknown"; readonly reason?: unknown };

/** Longest wait for an issuer's keys, in milliseconds. */
const fetchTimeoutMs = 5_000;

/** Milliseconds that keys are good without asking. */
const keysMaxAgeMs = 10 * 60_000;

/** Further milliseconds that they are good while the issuer can't be reached. */
const keysMaxStaleMs = 60 * 60_000;

/** Milliseconds until keys are requested again: after a success, and after a failure. */
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

/**
 * Keys from a URL. A key that is known is used, whether or not the issuer can be reached: else anybody could have valid
 * tokens refused by making one up with a key that has to be asked for. Only asking pauses when it has failed.
 */
function remoteKeys(url: URL): JWTVerifyGetKey {
  const cache: ExportedJWKSCache = { jwks: { keys: [] }, uat: 0 };
  const remote = createRemoteJWKSet(url, {
    timeoutDuration: fetchTimeoutMs,
    cacheMaxAge: keysMaxAgeMs,
    cooldownDuration: cooldownMs.succeeded,
    [jwksCache]: cache,
  });
  let known: { readonly jwks: JSONWebKeySet; readonly find: JWTVerifyGetKey } | undefined;
  let failing = false;
  let failedAt = Number.NEGATIVE_INFINITY;

  const isCoolingDown = () => performance.now() - failedAt < cooldownMs.failed;
  const isUsable = () => Date.now() - cache.uat < keysMaxAgeMs + keysMaxStaleMs;

  function unavailable(cause: unknown): KeysUnavailable {
    failing = true;
    failedAt = performance.now();
    return new KeysUnavailable(undefined, { cause });
  }

  async function load() {
    try {
      await remote.reload();
      failing = false;
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  /** Asks for keys that are missing or too old, if it is time to. */
  async function refresh() {
    // Of the calls while an issuer is down, one at a time finds out whether it is back; the others don't wait for it.
    if (isCoolingDown() || (failing && remote.reloading && isUsable())) {
      return;
    }
    try {
      await load();
    } catch (error) {
      if (!isUsable()) {
        throw error;
      }
    }
  }

  async function find(...args: Parameters<JWTVerifyGetKey>) {
    if (!isUsable()) {
      throw new KeysUnavailable();
    }
    if (known?.jwks !== cache.jwks) {
      known = { jwks: cache.jwks, find: createLocalJWKSet(cache.jwks) };
    }
    try {
      return await known.find(...args);
    } catch (error) {
      throw isAboutToken(error) ? error : unavailable(error);
    }
  }

  return async (header, token) => {
    if (!remote.fresh) {
      await refresh();
    }
    try {
      return await find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || remote.coolingDown) {
        throw error;
      }
      if (isCoolingDown()) {
        throw new KeysUnavailable();
      }
      await load();
      return find(header, token);
    }
  };
}

/** True if an error in finding a key says that there is none for this token. */
function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}
