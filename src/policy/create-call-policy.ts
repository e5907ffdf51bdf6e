import type { Log } from "../base/log.ts";
import { defaultLog } from "../base/log.ts";
import type { CallObserver } from "../call/call-observer.ts";
import { joinObservers } from "../call/call-observer.ts";
import type { CallLimits, CallPolicy } from "../call/call-policy.ts";
import { publicLimits } from "../call/call-policy.ts";
import type { RequestGate } from "../call/request-gate.ts";
import { joinGates, limitHeaders } from "../call/request-gate.ts";
import { limitError } from "../call/time/errors.ts";
import type { OptionNames } from "../plugin/check-options.ts";
import { checkOptions } from "../plugin/check-options.ts";
import { createAccess } from "./auth/access.ts";
import type { AuditLogOptions } from "./auth/audit-log.ts";
import { defaultAuthFailureLimit } from "./auth/auth-failures.ts";
import type { Authenticate } from "./auth/caller.ts";
import { checkRate } from "./rate-limit/memory.ts";
import type { RateLimit } from "./rate-limit/rate-limit.ts";
import type { TokenRate } from "./rate-limit/token-buckets.ts";

/** Options for who may call, and how much. */
export interface PolicyOptions {
  /** Limits on calls. A limit that is left out has its default, and `Infinity` lifts it. */
  readonly limits?: Partial<CallLimits>;
  /** Calls of a method that each caller may make; see docs/security/rate-limits.md. Default: any number. */
  readonly rateLimit?: RateLimit;
  /** Get to know of every call: logs, metrics, traces. Default: `[accessLog()]` at the edge, else none. */
  readonly observers?: readonly CallObserver[];
  /**
   * Tell callers what goes wrong in handlers. For development: it may be anything, such as a password in an address.
   * Default: false; they get "internal error".
   */
  readonly revealErrors?: boolean;
  /**
   * Identifies the caller: `bearer`, `jwt`, or a function of your own. Then callers have to be known, and to have the
   * scopes that the contract requires, but for methods that it says are public, and for health. The plugin's own host
   * is trusted without where no one else can call: at the socket in its directory, or with the certificates of
   * automatic TLS. Default: callers are not identified, and a plugin whose contract requires scopes is not served.
   */
  readonly auth?: Authenticate;
  /**
   * Calls of an address that `auth` may refuse for a token, or by throwing; then all calls of that address are refused
   * with `resource_exhausted`, before `auth` is asked, but for those with tokens that were good lately. `false` is any
   * number. Default: one a second in the long run, 100 at once. Without an address, as on Unix sockets, there is no
   * such limit.
   */
  readonly authFailureLimit?: TokenRate | false;
  /** The record of denials by `auth`. Default: a structured line each, of level WARNING, in the log of the plugin. */
  readonly audit?: AuditLogOptions;
}

/** The names of those options. */
export const policyNames: OptionNames<PolicyOptions> = {
  limits: true,
  rateLimit: true,
  observers: true,
  revealErrors: true,
  auth: true,
  authFailureLimit: true,
  audit: true,
};

/** What a place has to say of the calls there. */
export interface PolicyPlace {
  /** What else each call has to pass, in this order, when it is known who makes it. */
  readonly gates?: readonly (RequestGate | undefined)[];
  /** Callers need not say who they are: the plugin's own host. Default: false. */
  readonly trusted?: boolean;
  /** Where it is told what went wrong. Default: the log of what belongs to no host and no `serve()`. */
  readonly log?: Log;
}

/**
 * Makes the policy for a plugin's calls.
 * @param defaults The limits that hold unless the options have others.
 */
export function createCallPolicy(
  options: PolicyOptions,
  defaults: CallLimits,
  { gates = [], trusted = false, log = defaultLog }: PolicyPlace = {},
): CallPolicy {
  const limits = withLimits(defaults, options.limits);
  const { maxHeaderBytes } = limits;
  const { auth, audit, authFailureLimit: failureLimit = defaultAuthFailureLimit } = options;
  if (failureLimit !== false) {
    checkRate("authFailureLimit", failureLimit);
  }
  checkOptions<AuditLogOptions>("audit", audit, { write: true });
  const access = auth && createAccess(auth, { audit, trusted, failureLimit: failureLimit || undefined, log });
  const shortHeaders = maxHeaderBytes === undefined ? undefined : limitHeaders(maxHeaderBytes);
  const gate = joinGates([shortHeaders, access?.gate, ...gates]);
  const observer = joinObservers(options.observers ?? [], log);
  const { admit } = access ?? {};
  return {
    limits,
    log,
    revealErrors: options.revealErrors ?? false,
    ...(gate && { gate }),
    ...(admit && { admit }),
    ...(observer && { observer }),
  };
}

/** Limits that there always are, and how high they may be: as far as the protocols' fields reach. */
const highest: Partial<Record<keyof CallLimits, number>> = {
  maxMessageBytes: 2 ** 32 - 1,
  maxConcurrentStreams: 2 ** 32 - 1,
};

/**
 * The limits that hold: the defaults, and the plugin's own in their place. `Infinity` is no limit.
 * @throws PlugboardError PB-LIMIT-INVALID, PB-OPTION-UNKNOWN
 */
function withLimits(defaults: CallLimits, own: Partial<CallLimits> = {}): CallLimits {
  checkOptions<CallLimits>("limits", own, publicLimits);
  const given = Object.entries(own).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  for (const [name, value] of given) {
    const most = highest[name as keyof CallLimits] ?? Number.POSITIVE_INFINITY;
    if (!(value >= 1 && value <= most && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY))) {
      throw limitError("PB-LIMIT-INVALID", `limits.${name} is ${value}`);
    }
  }
  const all: CallLimits = { ...defaults, ...Object.fromEntries(given) };
  const lifted = Object.entries(all).filter(([, value]) => value === Number.POSITIVE_INFINITY);
  return { ...all, ...Object.fromEntries(lifted.map(([name]) => [name, undefined])) };
}
