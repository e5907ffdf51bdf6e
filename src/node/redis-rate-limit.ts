import { PlugboardError } from "../base/errors.ts";
import { log } from "../base/log.ts";
import { printableLine } from "../base/printable.ts";
import { untilAborted } from "../base/until-aborted.ts";
import { checkRate, rateLimitNames } from "../policy/rate-limit/memory.ts";
import type { RateLimit, RateLimitOptions, TakeToken } from "../policy/rate-limit/rate-limit.ts";
import { limitRate } from "../policy/rate-limit/rate-limit.ts";
import type { TokenRate } from "../policy/rate-limit/token-buckets.ts";
import { createTokenBuckets } from "../policy/rate-limit/token-buckets.ts";

/** A connected client of ioredis (also iovalkey), or of node-redis. It stays its owner's, who closes it. */
export type RedisClient = IoredisClient | NodeRedisClient;

/** What is used of ioredis. */
interface IoredisClient {
  /** Tells the two apart. */
  defineCommand(name: string, definition: { readonly lua: string }): void;
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>;
}

/** What is used of node-redis. */
interface NodeRedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** How long a call waits for the server at most, in milliseconds. */
const timeoutMs = 250;

/** How long it is not asked when it has failed, in milliseconds. */
const pauseMs = 1_000;

/**
 * Limits the rate of calls by token buckets, one for each caller and method, that all processes with the same
 * Redis-compatible server share. Buckets that are full again are gone there.
 *
 * ```ts
 * const redis = new Redis("rediss://redis.example.com");
 * await serve(plugin, { rateLimit: redisRateLimit(redis, { perSecond: 10, burst: 20 }) });
 * ```
 *
 * While the server does not answer within 250 ms, or with errors, buckets in the memory of this process take its place:
 * calls go on, and each process limits them for itself. The log says so, once until it answers again.
 * @throws PlugboardError PB-RATE-LIMIT-INVALID, PB-OPTION-UNKNOWN
 */
export function redisRateLimit(client: RedisClient, options: TokenRate & RateLimitOptions): RateLimit {
  checkRate("redisRateLimit()", options, rateLimitNames);
  if (typeof client !== "object" || client === null || typeof client.eval !== "function") {
    throw new PlugboardError("PB-RATE-LIMIT-INVALID", "redisRateLimit() was given no client");
  }
  return { open: () => limitRate(sharedBuckets(client, options), options) };
}

function sharedBuckets(client: RedisClient, rate: TokenRate): TakeToken {
  const own = createTokenBuckets(rate);
  const loading = loadLimiter(client, rate);
  // Whoever calls first hears of it.
  loading.catch(() => undefined);
  /** When to ask the server again, on a monotonic clock. */
  let pausedUntil = 0;
  let failing = false;

  return async (bucket, signal) => {
    if (performance.now() < pausedUntil) {
      return own.take(bucket);
    }
    if (failing) {
      // One call finds out whether it answers again; the others do not wait for that.
      pausedUntil = performance.now() + pauseMs;
    }
    try {
      const seconds = await untilAborted(
        signal,
        loading.then((take) => take(bucket)),
      );
      failing = false;
      pausedUntil = 0;
      return seconds;
    } catch (error) {
      signal.throwIfAborted();
      pausedUntil = performance.now() + pauseMs;
      if (!failing) {
        failing = true;
        // Its message alone: clients put their commands, arguments and all, beside it.
        const reason = printableLine(error instanceof Error ? error.message : "unknown error");
        log("WARNING", `Redis can't limit the rate of calls; until it can, this process does by itself: ${reason}`);
      }
      return own.take(bucket);
    }
  };
}

/** The library knows all databases that there are, so it is loaded when it is needed. */
async function loadLimiter(client: RedisClient, { perSecond, burst }: TokenRate) {
  const { RateLimiterRedis, RateLimiterRes, RLWrapperTimeouts } = await import("rate-limiter-flexible");
  const rate = [String(burst), String(perSecond / 1000)];
  // The library would define its command on an ioredis client, which others may have one of the same name on.
  const storeClient = {
    eval: (script: string, { keys }: { readonly keys: string[] }) =>
      "defineCommand" in client
        ? client.eval(script, keys.length, ...keys, ...rate)
        : client.eval(script, { keys, arguments: rate }),
  };
  const limiter = new RLWrapperTimeouts({
    timeoutMs,
    limiter: new RateLimiterRedis({
      storeClient,
      useRedisPackage: true,
      customIncrTtlLuaScript: takeToken,
      keyPrefix: "plugboard",
      points: burst,
      // Of its own windows, which the script does not have.
      duration: 1,
    }),
  });
  return async (bucket: string): Promise<number> => {
    try {
      await limiter.consume(bucket);
      return 0;
    } catch (error) {
      if (error instanceof RateLimiterRes) {
        return error.msBeforeNext / 1000;
      }
      throw error;
    }
  };
}

/**
 * Takes a token by the server's clock: returns how many points are used up, of which one more than there are means that
 * there was no token, and in how many milliseconds there is one.
 */
const takeToken = `
local burst, perMs = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call("TIME")
local now = time[1] * 1000 + time[2] / 1000
local bucket = redis.call("HMGET", KEYS[1], "tokens", "filledAt")
local tokens = tonumber(bucket[1]) or burst
local filledAt = tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - filledAt) * perMs)
if tokens < 1 then
  return { math.floor(burst) + 1, math.ceil((1 - tokens) / perMs) }
end
tokens = tokens - 1
redis.call("HSET", KEYS[1], "tokens", string.format("%.6f", tokens), "filledAt", string.format("%.3f", now))
redis.call("PEXPIRE", KEYS[1], math.ceil((burst - tokens) / perMs))
return { 1, 0 }
`;
