import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { JSONWebKeySet } from "jose";
import type { PlugboardError } from "../../base/errors.ts";
import { isLoopback } from "../../base/loopback.ts";
import type { OptionNames } from "../../plugin/check-options.ts";
import { checkOptions } from "../../plugin/check-options.ts";
import type { Authenticate, Caller } from "./caller.ts";
import { denied } from "./denial.ts";
import { authError } from "./errors.ts";
import type { JwtVerifierOptions, Verified } from "./verify-jwt.ts";

/** Algorithms with which an issuer signs with a key of its own, whose public half is in its key set. */
const keySetAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

/** Algorithms that both sides know the secret of, and the shortest secret for each, in bytes (RFC 7518, section 3.2). */
const secretBytes = { HS256: 32, HS384: 48, HS512: 64 } as const;

/** An algorithm for keys of a key set. */
export type KeySetAlgorithm = (typeof keySetAlgorithms)[number];

/** An algorithm for a secret. */
export type SecretAlgorithm = keyof typeof secretBytes;

/** Options for all tokens. */
export interface JwtClaims {
  /** The issuers of good tokens: `iss` has to be one of these. */
  readonly issuer: string | readonly string[];
  /** For whom they have to be: `aud` has to name one of these. */
  readonly audience: string | readonly string[];
  /** Seconds that the issuer's clock may be off, for `exp` and `nbf`. Default: 60. */
  readonly clockToleranceSeconds?: number;
}

/** Tokens that are signed with a key of the issuer's. */
export interface JwtByKeySet extends JwtClaims {
  /** The issuer's keys, or the URL where it publishes them: https:, or http: on this machine. */
  readonly jwks: string | URL | JSONWebKeySet;
  readonly secret?: undefined;
  /** Accepted signature algorithms. Default: all that an issuer's keys can do; never "none" or by a secret. */
  readonly algorithms?: readonly KeySetAlgorithm[];
}

/** Tokens that are signed with a secret that issuer and plugin share. */
export interface JwtBySecret extends JwtClaims {
  /** The secret: at least as many bytes as the algorithm's hash has, 32 for HS256. */
  readonly secret: string | Uint8Array;
  readonly jwks?: undefined;
  /** Accepted signature algorithms. Default: HS256 alone. */
  readonly algorithms?: readonly SecretAlgorithm[];
}

/** The tokens to accept. */
export type JwtOptions = JwtByKeySet | JwtBySecret;

const optionNames: OptionNames<JwtOptions> = {
  jwks: true,
  secret: true,
  algorithms: true,
  issuer: true,
  audience: true,
  clockToleranceSeconds: true,
};

/**
 * Knows a caller by a JSON Web Token (RFC 7519) that an issuer has signed. The caller's subject is the token's `sub`, its
 * scopes are those in `scope` or `scp`, and `claims` is all of it. A token has to have `sub`, `iss`, `aud` and `exp`.
 *
 * Keys from a URL are kept for ten minutes, and asked for anew when a token names one that is not there, at most every 30
 * seconds. While the issuer can't be asked, they are good for an hour more; calls with tokens of keys that are not known
 * fail as `unavailable`.
 *
 * ```ts
 * const auth = jwt({
 *   jwks: "https://login.example.com/.well-known/jwks.json",
 *   issuer: "https://login.example.com/",
 *   audience: "https://notes.example.com",
 * });
 * ```
 *
 * @throws PlugboardError PB-AUTH-JWT if the options would let tokens in that should not be; PB-OPTION-UNKNOWN
 */
export function jwt(options: JwtOptions): Authenticate {
  const checked = check(options);
  let loading: Promise<(token: string) => Promise<Verified>> | undefined;
  return async ({ token }) => {
    if (token === undefined) {
      return undefined;
    }
    // Loaded here, as most plugins do without.
    loading ??= import("./verify-jwt.ts").then(({ createJwtVerifier }) => createJwtVerifier(checked));
    const verify = await loading;
    return callerOf(await verify(token), checked);
  };
}

function callerOf(verified: Verified, { keys }: JwtVerifierOptions): Caller {
  switch (verified.kind) {
    case "valid": {
      const { claims } = verified;
      if (typeof claims.sub !== "string" || claims.sub === "") {
        throw invalidToken();
      }
      return { subject: claims.sub, scopes: scopesIn(claims.scope ?? claims.scp), claims };
    }
    case "expired":
      throw denied("expired_token", "the token has expired", Code.Unauthenticated);
    case "invalid":
      throw invalidToken();
    case "unknown": {
      const place = keys instanceof URL ? `${keys.origin}${keys.pathname}` : "jwks";
      const trouble =
        verified.reason === undefined ? undefined : `the keys at ${place} can't be loaded: ${String(verified.reason)}`;
      throw denied("auth_failed", "the token can't be checked at the moment", Code.Unavailable, trouble);
    }
  }
}

/** Says no more: details would help an attacker who makes tokens up. */
function invalidToken(): ConnectError {
  return denied("invalid_token", "the token is not valid", Code.Unauthenticated);
}

/** As one text in `scope` (RFC 8693) and some `scp`; as a list in others. */
function scopesIn(value: unknown): readonly string[] {
  if (typeof value === "string") {
    return value.split(" ").filter((each) => each !== "");
  }
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

function check(options: JwtOptions): JwtVerifierOptions {
  checkOptions<JwtOptions>("jwt()", options, optionNames);
  const { jwks, secret, clockToleranceSeconds = 60 } = options;
  if ((jwks === undefined) === (secret === undefined)) {
    throw invalid("give either jwks or secret");
  }
  if (!Number.isFinite(clockToleranceSeconds) || clockToleranceSeconds < 0) {
    throw invalid("clockToleranceSeconds is not a number of seconds");
  }
  const known: readonly string[] = secret === undefined ? keySetAlgorithms : Object.keys(secretBytes);
  const algorithms: readonly string[] = options.algorithms ?? (secret === undefined ? keySetAlgorithms : ["HS256"]);
  const unfit = algorithms.find((each) => !known.includes(each));
  if (unfit !== undefined || algorithms.length === 0) {
    const what = secret === undefined ? "the keys of an issuer" : "a secret";
    throw invalid(`algorithms: ${unfit ?? "none of them"} can't be used with ${what}; allowed are ${known.join(", ")}`);
  }
  return {
    keys: secret === undefined ? readKeys(jwks) : readSecret(secret, algorithms),
    algorithms: [...algorithms],
    issuer: texts("issuer", options.issuer),
    audience: texts("audience", options.audience),
    clockTolerance: clockToleranceSeconds,
  };
}

/**
 * Programs without types, and variables that are not set, may give anything; then a token would not be checked for it.
 */
function texts(name: string, value: string | readonly string[]): string[] {
  const all = typeof value === "string" ? [value] : [...(value ?? [])];
  if (all.length === 0 || !all.every((each) => typeof each === "string" && each !== "")) {
    throw invalid(`${name} is missing`);
  }
  return all;
}

function readKeys(jwks: JwtByKeySet["jwks"]): URL | JSONWebKeySet {
  if (typeof jwks === "object" && !(jwks instanceof URL)) {
    if (!Array.isArray(jwks.keys) || jwks.keys.length === 0) {
      throw invalid("jwks has no keys");
    }
    return jwks;
  }
  if (!URL.canParse(String(jwks))) {
    throw invalid("jwks is neither a URL nor a key set");
  }
  const url = new URL(jwks);
  const isPlain = url.protocol === "http:" && isLoopback(url.hostname);
  if (url.protocol !== "https:" && !isPlain) {
    throw invalid(
      `the key set of ${url.host} would be loaded without encryption, so that others could replace its keys`,
    );
  }
  return url;
}

function readSecret(secret: string | Uint8Array, algorithms: readonly string[]): Uint8Array {
  const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : secret.slice();
  const needed = Math.max(...Object.entries(secretBytes).map(([name, min]) => (algorithms.includes(name) ? min : 0)));
  if (bytes.byteLength < needed) {
    throw invalid(`the secret has ${bytes.byteLength} bytes, and ${algorithms.join(", ")} needs ${needed}`);
  }
  return bytes;
}

function invalid(what: string): PlugboardError {
  return authError("PB-AUTH-JWT", `jwt(): ${what}`);
}
