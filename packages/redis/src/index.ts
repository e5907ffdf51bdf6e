/**
 * Rate limits of Plugboard that processes share in Redis.
 * @module
 */
export type { IoredisClient, NodeRedisClient, RedisClient } from "./redis-rate-limit.ts";
export { redisRateLimit } from "./redis-rate-limit.ts";
