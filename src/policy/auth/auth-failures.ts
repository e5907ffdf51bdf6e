import { Code } from "@connectrpc/connect";
import type { Log } from "../../base/log.ts";
import { isLoopback } from "../../base/loopback.ts";
import { networkOf } from "../rate-limit/network-of.ts";
import type { TokenRate } from "../rate-limit/token-buckets.ts";
import { createTokenBuckets } from "../rate-limit/token-buckets.ts";
import { denied } from "./denial.ts";

/** Calls of an address that `auth` may refuse. Default of the option of that name. */
export const defaultAuthFailureLimit: TokenRate = { perSecond: 1, burst: 100 };

/** Good tokens that are remembered at most. */
const maxGoodTokens = 1_000;

const sharedAddress =
  "auth has refused so many calls from this machine that it is no longer run for its callers, but for those whose token " +
  "was accepted lately; if a reverse proxy on this machine forwards the calls of others, configure it as `behindProxy`";

/** Keeps count of whom `auth` refuses. Those without an address are not limited: there is nothing to tell them apart by. */
export interface AuthFailures {
  /**
   * Checks, before `auth` is asked, whether an address has been refused too often. A token that was good when it came last
   * passes nevertheless: what others at the same address do, such as behind a proxy, is no reason to turn it away.
   * @throws ConnectError resource_exhausted, with `Retry-After`
   */
  check(address: string | undefined, token: string | undefined): void;
  /** The token was good. */
  succeeded(token: string | undefined): void;
  /** Counts a call whose credentials were refused. */
  failed(address: string | undefined, token: string | undefined): void;
}

/**
 * Begins to count.
 * @param log Is told if this machine's own address is refused.
 */
export function createAuthFailures(rate: TokenRate, log: Log): AuthFailures {
  const buckets = createTokenBuckets(rate);
  /** Those that did not come for longest come first. */
  const good = new Set<string>();
  let warned = false;
  return {
    check(address, token) {
      if (address === undefined || (token !== undefined && good.has(token))) {
        return;
      }
      const seconds = buckets.wait(networkOf(address));
      if (seconds > 0) {
        if (!warned && isLoopback(address.replace(/^::ffff:/i, ""))) {
          warned = true;
          log.line("WARNING", sharedAddress);
        }
        const error = denied(
          "too_many_failures",
          "too many calls from this address were refused",
          Code.ResourceExhausted,
        );
        error.metadata.set("Retry-After", String(Math.ceil(seconds)));
        throw error;
      }
    },
    succeeded(token) {
      if (token === undefined) {
        return;
      }
      good.delete(token);
      good.add(token);
      if (good.size > maxGoodTokens) {
        for (const oldest of good) {
          good.delete(oldest);
          return;
        }
      }
    },
    failed(address, token) {
      if (token !== undefined) {
        good.delete(token);
      }
      if (address !== undefined) {
        buckets.charge(networkOf(address));
      }
    },
  };
}
