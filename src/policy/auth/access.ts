import type { HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { untilAborted } from "../../base/async/until-aborted.ts";
import { isPlugboardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { CallPolicy } from "../../call/call-policy.ts";
import { bearerToken, isBearer } from "../../call/messages/bearer-token.ts";
import { peerKey } from "../../call/peer.ts";
import { requestIdOf } from "../../call/request-id.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { networkOf } from "../rate-limit/network-of.ts";
import type { TokenRate } from "../rate-limit/token-buckets.ts";
import { createTokenBuckets } from "../rate-limit/token-buckets.ts";
import { accessRule } from "./access-rule.ts";
import type { AuditLogOptions } from "./audit-log.ts";
import { createAuditLog } from "./audit-log.ts";
import { createAuthFailures } from "./auth-failures.ts";
import type { Authenticate, Caller, Credentials } from "./caller.ts";
import { callerKey } from "./caller.ts";
import type { DenialReason } from "./denial.ts";
import { denialReason, denied, troubleOf } from "./denial.ts";

/** A denied call, or a denied request for a WebSocket, as far as it is known. */
interface Denied {
  readonly requestId: string;
  readonly method: string;
  readonly address: string | undefined;
  readonly authorization: string | undefined;
  readonly subject?: string | undefined;
}

/** Options for guarding a plugin. */
export interface AccessOptions {
  /** The record of denials. */
  readonly audit?: AuditLogOptions | undefined;
  /** Refused calls that each address may make. Default: any number. */
  readonly failureLimit?: TokenRate | undefined;
  /** Let callers in that do not say who they are: the plugin's own host. Those that do are held to it. Default: false. */
  readonly trusted?: boolean;
  readonly log: Log;
}

/** Reasons that hint at guessing. A caller without credentials has not guessed, and one that lacks a scope is known. */
const guessed: ReadonlySet<DenialReason> = new Set(["invalid_token", "expired_token", "refused"]);

const needed = "this method requires a valid token";

/**
 * Guards the methods of a plugin as their contract says: a caller has to be known, unless the method is public, and to have
 * the scopes that the method requires. Health is for everybody.
 */
export function createAccess(
  authenticate: Authenticate,
  { audit, failureLimit, trusted = false, log }: AccessOptions,
): Required<Pick<CallPolicy, "gate" | "admit">> {
  const record = createAuditLog(log, audit);
  const failures = failureLimit && createAuthFailures(failureLimit, log);
  /** Those who are refused unheard are recorded seldom: they may come as often as they like. */
  const unheard = createTokenBuckets({ perSecond: 0.1, burst: 1 });

  /** Records a denial and counts it. */
  function deny(error: unknown, { requestId, method, address, authorization, subject }: Denied) {
    const reason = reasonFor(error);
    const trouble = troubleOf(error);
    if (trouble !== undefined) {
      log.line("ERROR", trouble);
    }
    if (reason === "too_many_failures") {
      if (unheard.take(networkOf(address ?? "")) > 0) {
        return;
      }
    } else if (reason === "missing_scope") {
      failures?.succeeded(bearerToken(authorization));
    } else if (guessed.has(reason)) {
      failures?.failed(address, bearerToken(authorization));
    }
    const peer = address !== undefined && { peer: address };
    record({ requestId, method, ...peer, reason, ...(subject !== undefined && { subject }) });
  }

  async function identifyUnlessLimited(authorization: string | undefined, known: Omit<Credentials, "token">) {
    failures?.check(known.peer.address, bearerToken(authorization));
    return identify(authenticate, authorization, known);
  }

  return {
    async gate(context) {
      const { method, values, requestHeader, signal } = context;
      if (method.parent.typeName === Health.typeName) {
        return;
      }
      const peer = values.get(peerKey);
      const authorization = requestHeader.get("Authorization") ?? peer.authorization;
      let caller: Caller | undefined;
      try {
        caller = await identifyUnlessLimited(authorization, { headers: requestHeader, peer, signal });
        authorize(context, caller, trusted);
      } catch (error) {
        if (!signal.aborted) {
          const name = `${method.parent.typeName}/${method.name}`;
          const { address } = peer;
          const { subject } = caller ?? {};
          deny(error, { requestId: requestIdOf(context), method: name, address, authorization, subject });
        }
        throw challenge(error, context);
      }
      if (caller !== undefined) {
        failures?.succeeded(bearerToken(authorization));
      }
      values.set(callerKey, caller);
    },

    async admit({ headers, peer, requestId, signal }) {
      // Without a token a call may bring its own, or be for a public method.
      if (!isBearer(peer.authorization)) {
        return undefined;
      }
      const { address, authorization } = peer;
      try {
        await identifyUnlessLimited(authorization, { headers, peer, signal });
        return undefined;
      } catch (error) {
        deny(error, { requestId, method: "websocket", address, authorization });
        if (error instanceof ConnectError && !isPlugboardError(error)) {
          return error;
        }
        if (signal.aborted) {
          return new ConnectError("the caller could not be checked in time", Code.Unavailable);
        }
        log.line("ERROR", `a WebSocket was refused, request ${requestId}:`, error);
        return new ConnectError("internal error", Code.Internal);
      }
    },
  };
}

function reasonFor(error: unknown): DenialReason {
  if (!(error instanceof ConnectError) || isPlugboardError(error)) {
    return "auth_failed";
  }
  const isRefusal = error.code === Code.Unauthenticated || error.code === Code.PermissionDenied;
  return denialReason(error) ?? (isRefusal ? "refused" : "auth_failed");
}

/** Finds out who calls. A token that is no good is never overlooked, be it needed or not. */
async function identify(
  authenticate: Authenticate,
  authorization: string | undefined,
  known: Omit<Credentials, "token">,
): Promise<Caller | undefined> {
  const token = bearerToken(authorization);
  if (token === undefined && isBearer(authorization)) {
    throw denied("invalid_token", "the token can't be read", Code.Unauthenticated);
  }
  const caller = await untilAborted(known.signal, (async () => authenticate({ token, ...known }))());
  if (caller === undefined) {
    if (token !== undefined) {
      throw denied("invalid_token", "the token is not valid", Code.Unauthenticated);
    }
    return undefined;
  }
  // Programs without types may give anything: `false` or `true` is no caller.
  if (typeof caller?.subject !== "string" || !Array.isArray(caller.scopes)) {
    throw new TypeError("auth returned a value that is neither a caller nor undefined");
  }
  return caller;
}

/** @throws ConnectError if the caller may not call the method. */
function authorize({ method }: HandlerContext, caller: Caller | undefined, trusted: boolean) {
  const rule = accessRule(method);
  if (rule.public) {
    return;
  }
  if (caller === undefined) {
    if (trusted) {
      return;
    }
    throw denied("no_credentials", needed, Code.Unauthenticated);
  }
  const missing = rule.requiredScopes.filter((scope) => !caller.scopes.includes(scope));
  if (missing.length > 0) {
    throw denied("missing_scope", `the caller lacks the scope ${missing.join(", ")}`, Code.PermissionDenied);
  }
}

/** Adds to an error what a client over HTTP is told of how to do better (RFC 6750, section 3). */
function challenge(error: unknown, { method, protocolName }: HandlerContext): unknown {
  // Elsewhere errors travel in responses with status 200, where it would mean nothing.
  if (protocolName !== "connect" || method.methodKind !== "unary" || !(error instanceof ConnectError)) {
    return error;
  }
  const reason = denialReason(error);
  if (error.code === Code.Unauthenticated && !error.metadata.has("WWW-Authenticate")) {
    const isInvalid = reason === "invalid_token" || reason === "expired_token";
    error.metadata.set("WWW-Authenticate", isInvalid ? 'Bearer error="invalid_token"' : "Bearer");
  } else if (reason === "missing_scope") {
    const scope = accessRule(method).requiredScopes.join(" ");
    error.metadata.set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="${scope}"`);
  }
  return error;
}
