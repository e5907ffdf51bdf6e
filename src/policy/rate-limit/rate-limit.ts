import type { HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Log } from "../../base/log.ts";
import { peerKey } from "../../call/peer.ts";
import type { RequestGate } from "../../call/request-gate.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { methodPath } from "../../plugin/method-path.ts";
import { callerKey } from "../auth/caller.ts";
import { networkOf } from "./network-of.ts";

/**
 * A limit on the calls of a method that each caller may make. Made by `memoryRateLimit`, by `bindingRateLimit` of
 * "plugboard/edge", by `redisRateLimit` of "@plugboard/redis", or by `sharedRateLimit` for a store of your own.
 */
export interface RateLimit {
  /**
   * Makes the gate that each call passes.
   * @param env The plugin's own environment: at the edge the Worker's bindings.
   * @param log The plugin's, for failures of the limit itself.
   * @throws PlugboardError PB-RATE-LIMIT-BINDING
   */
  open(env: Readonly<Record<string, unknown>>, log: Log): RequestGate;
}

/** Options of every rate limit. */
export interface RateLimitOptions {
  /**
   * Tells callers apart; called before any message of the call is read. What it returns goes to wherever calls are counted,
   * so it should be no secret. Default, and where it returns `undefined`: by the subject that `auth` has found; without
   * one by the address of the other end of the connection, of IPv6 its network of 64 bits; all those without either, as on
   * Unix sockets, count as one caller.
   */
  readonly key?: (context: HandlerContext) => string | undefined;
}

/** Takes a token out of the bucket of that name. Returns how many seconds it takes until there is one; 0 if there was. */
export type TakeToken = (bucket: string, signal: AbortSignal) => number | Promise<number>;

/**
 * Refuses calls for which there is no token in the bucket of their caller and method with `resource_exhausted`;
 * `Retry-After` tells in how many seconds there is one. Health checks always pass.
 */
export function limitRate(take: TakeToken, { key }: RateLimitOptions): RequestGate {
  return async (context) => {
    const { service, method, signal } = context;
    if (service.typeName === Health.typeName) {
      return;
    }
    const own = key?.(context);
    const caller = own === undefined ? callerOf(context) : `key ${own}`;
    refuseFor(
      await take(await shorten(`${methodPath(method)} ${caller}`), signal),
      "the caller's rate limit for this method is exceeded",
    );
  };
}

/**
 * Refuses a call unless there is nothing to wait for.
 * @throws ConnectError resource_exhausted
 */
export function refuseFor(seconds: number, message: string): void {
  if (seconds > 0) {
    throw new ConnectError(message, Code.ResourceExhausted, { "Retry-After": String(Math.ceil(seconds)) });
  }
}

/** A name for the caller that no other caller can take by what it says of itself. */
function callerOf({ values }: HandlerContext): string {
  const subject = values.get(callerKey)?.subject;
  if (subject !== undefined) {
    return `subject ${subject}`;
  }
  const { address } = values.get(peerKey);
  return address === undefined ? "anyone" : `address ${networkOf(address)}`;
}

/** Longest name of a bucket as it is, in UTF-16 code units; keys may be made of what callers send. */
const maxNameLength = 256;

async function shorten(name: string): Promise<string> {
  if (name.length <= maxNameLength) {
    return name;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(name)));
  return `sha256 ${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
