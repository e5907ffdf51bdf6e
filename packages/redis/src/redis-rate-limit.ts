import type { RateLimit, RateLimitOptions, TokenRate } from "plugboard";
import { sharedRateLimit } from "plugboard";

/** A connected client of ioredis, iovalkey or node-redis. Its owner closes it. */
export type RedisClient = IoredisClient | NodeRedisClient;

/** The methods that are used of ioredis. */
export interface IoredisClient {
  /** Tells the two apart. */
  defineCommand(name: string, definition: { readonly lua: string }): void;
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>;
}

/** The methods that are used of node-redis. */
export interface NodeRedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/**
 * Limits the rate of calls by token buckets, one for each caller and method, that all processes with the same
 * Redis-compatible server share. Buckets that are full again are gone there.
 *
 * ```ts
 * const redis = new Redis("rediss://redis.example.com");
 * await serve(plugin, { rateLimit: redisRateLimit(redis, { perSecond: 10, burst: 20 }) });
 * ```
 *
 * While the server gives no response within 250 ms, or errors, buckets in the memory of this process take its place; see
 * `sharedRateLimit`.
 * @throws TypeError if `client` is none
 * @throws PlugboardError PB-RATE-LIMIT-INVALID, PB-OPTION-UNKNOWN
 */
export function redisRateLimit(client: RedisClient, options: TokenRate & RateLimitOptions): RateLimit {
  if (typeof client !== "object" || client === null || typeof client.eval !== "function") {
    // Not the value: a URL may hold a password.
    throw new TypeError("redisRateLimit() takes a connected client of ioredis, iovalkey or node-redis first");
  }
  const rate = [String(options.burst), String(options.perSecond / 1000)];
  return sharedRateLimit({
    ...options,
    store: "Redis",
    async take(bucket) {
      const key = `plugboard:${bucket}`;
      const milliseconds =
        "defineCommand" in client
          ? await client.eval(takeToken, 1, key, ...rate)
          : await client.eval(takeToken, { keys: [key], arguments: rate });
      return Number(milliseconds) / 1000;
    },
  });
}

/** Takes a token by the server's clock. Returns in how many milliseconds there is one; 0 if it took one. */
const takeToken = `
local burst, perMs = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call("TIME")
local now = time[1] * 1000 + time[2] / 1000
local bucket = redis.call("HMGET", KEYS[1], "tokens", "filledAt")
local tokens = tonumber(bucket[1]) or burst
local filledAt = tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - filledAt) * perMs)
if tokens < 1 then
  return math.ceil((1 - tokens) / perMs)
end
tokens = tokens - 1
redis.call("HSET", KEYS[1], "tokens", string.format("%.6f", tokens), "filledAt", string.format("%.3f", now))
redis.call("PEXPIRE", KEYS[1], math.ceil((burst - tokens) / perMs))
return 0
`;
