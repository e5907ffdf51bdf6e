import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Code, ConnectError } from "@connectrpc/connect";
import { redisRateLimit } from "@plugboard/redis";
import { createClient } from "@redis/client";
import { Redis } from "ioredis";
import { edge } from "plugboard/edge";
import type { LoadedPlugin } from "plugboard/node";
import { Host } from "plugboard/node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import plugin from "../../../test/behaviour/plugin.ts";
import { BehaviourService } from "../../../test/gen/plugboard/test/v1/behaviour_pb.ts";
import { allThatShows } from "../../../test/support/all-that-shows.ts";
import type { LocalRedis } from "./support/local-redis.ts";
import { lacksRedis, startRedis } from "./support/local-redis.ts";

const fixture = fileURLToPath(import.meta.resolve("./fixtures/limited-by-redis.ts"));
const command = ["node", "--conditions=plugboard-source", fixture] as const;
const password = "swordfish";
const burst = 3;

test("a URL in place of a client is refused where it is given, and not shown, as it may hold a password", () => {
  // Programs without types can give one.
  const url = "redis://:swordfish@localhost" as unknown as Redis;
  const refused = () => redisRateLimit(url, { perSecond: 1, burst: 1 });
  expect(refused).toThrow(
    new TypeError("redisRateLimit() takes a connected client of ioredis, iovalkey or node-redis first"),
  );
});

test("a misspelt option is refused, with the name that is near to it", () => {
  const client = { eval: async () => 0 };
  const options = { perSecond: 1, burst: 1, bursts: 1 };
  expect(() => redisRateLimit(client, options)).toThrow(
    /PB-OPTION-UNKNOWN: the rate limit in Redis has no option "bursts"\nDid you mean `burst`/,
  );
});

const addressed = `redis://plugins:${password}@127.0.0.1:1`;

test.each([
  { library: "ioredis", client: new Redis(addressed, { lazyConnect: true }) },
  { library: "node-redis", client: createClient({ url: addressed }) },
])("a rate limit over $library, and what it guards, show nothing of its address", ({ client }) => {
  expect(allThatShows(client)).toContain(password);
  const rateLimit = redisRateLimit(client, { perSecond: 1, burst: 1 });
  for (const value of [rateLimit, rateLimit.open({}, { line() {}, entry() {} }), edge(plugin, { rateLimit })]) {
    expect(allThatShows(value)).not.toContain(password);
  }
});

describe.skipIf(lacksRedis)("rate limits in Redis, for which redis-server has to be on PATH,", () => {
  let directory: string;
  let socket: string;
  let redis: LocalRedis;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "redis-"));
    socket = join(directory, "redis.sock");
    redis = await startRedis(socket, password);
  });
  afterEach(async () => {
    await redis[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  function load(host: Host, client: string, env: Record<string, string> = {}, lines: string[] = []) {
    return host.load({
      command,
      env: { REDIS_SOCKET: socket, REDIS_PASSWORD: password, REDIS_CLIENT: client, ...env },
      onOutput: ({ text }) => lines.push(text),
    });
  }

  /** Calls, and tells how that was refused; `undefined` if it was not. */
  async function call(plugin: LoadedPlugin, caller: string): Promise<ConnectError | undefined> {
    try {
      await plugin.client(BehaviourService).echo({}, { headers: { "X-Caller": caller } });
      return undefined;
    } catch (error) {
      expect(error).toMatchObject({ code: Code.ResourceExhausted });
      return ConnectError.from(error);
    }
  }

  async function passedOf(plugin: LoadedPlugin, calls: number, caller: string): Promise<number> {
    let passed = 0;
    for (let count = 0; count < calls; count++) {
      passed += (await call(plugin, caller)) === undefined ? 1 : 0;
    }
    return passed;
  }

  describe.each(["ioredis", "node-redis"])("with a client of %s,", (client) => {
    test("hold for all processes together", async () => {
      await using host = new Host();
      const lines: string[] = [];
      const first = await load(host, client, {}, lines);
      const second = await load(host, client, {}, lines);
      const caller = randomUUID();
      const passed = (await passedOf(first, 2, caller)) + (await passedOf(second, 3, caller));
      expect(passed).toBe(burst);
      const refused = await call(first, caller);
      expect(refused?.rawMessage).toBe("the caller's rate limit for this method is exceeded");
      expect(refused?.metadata.get("Retry-After")).toMatch(/^(\d\d|100)$/);
      expect(await call(first, randomUUID())).toBeUndefined();
      expect(lines.join("\n")).not.toContain("rate of calls");
    });

    test("let calls through at their rate when the burst is over", async () => {
      await using host = new Host();
      const plugin = await load(host, client, { PER_SECOND: "2" });
      const caller = randomUUID();
      let refused = 0;
      for (let passed = 0; passed < burst + 2; ) {
        if ((await call(plugin, caller)) === undefined) {
          passed += 1;
        } else {
          refused += 1;
        }
      }
      expect(refused).toBeGreaterThan(0);
    });

    test("hold for the process alone while Redis is gone, and for all together when it is back", async () => {
      await using host = new Host();
      const lines: string[] = [];
      const plugin = await load(host, client, {}, lines);
      const caller = randomUUID();
      expect(await passedOf(plugin, burst + 1, caller)).toBe(burst);

      await redis[Symbol.asyncDispose]();
      // Buckets of its own, which are full.
      expect(await passedOf(plugin, burst + 2, caller)).toBe(burst);
      expect(lines.filter((line) => line.includes("Redis can't limit the rate of calls"))).toHaveLength(1);

      redis = await startRedis(socket, password);
      await using observer = new ObservedRedis(socket);
      while ((await observer.buckets()).length === 0) {
        await call(plugin, randomUUID());
      }
      expect(lines.join("\n")).not.toContain(password);
    });

    test("hold for the process alone while Redis does not respond", async () => {
      await using host = new Host();
      const plugin = await load(host, client);
      await call(plugin, randomUUID());
      redis.signal("SIGSTOP");
      expect(await passedOf(plugin, burst + 2, randomUUID())).toBe(burst);
    });
  });

  test("leave nothing in Redis for longer than it takes a bucket to be full", async () => {
    await using host = new Host();
    const plugin = await load(host, "ioredis");
    await call(plugin, "alice");
    await call(plugin, "alice");
    await using observer = new ObservedRedis(socket);
    const buckets = await observer.buckets();
    expect(buckets).toEqual(["plugboard:/plugboard.test.v1.BehaviourService/Echo key alice"]);
    const ttl = await observer.redis.pttl(buckets[0] ?? "");
    // Two tokens are missing, at one in a hundred seconds.
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(200_000);
  });
});

/** Looks into Redis from outside. */
class ObservedRedis {
  readonly redis: Redis;

  constructor(path: string) {
    this.redis = new Redis({ path, password });
  }

  buckets(): Promise<string[]> {
    return this.redis.keys("plugboard:*Echo*");
  }

  async [Symbol.asyncDispose]() {
    await this.redis.quit();
  }
}
