import { request } from "node:http";
import { json } from "node:stream/consumers";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { PluginService } from "plugboard";
import type { LoadedPlugin } from "plugboard/node";
import { connect, Host } from "plugboard/node";
import { describe, expect, test } from "vitest";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";

const command = ["node", "--conditions=plugboard-source", "test/behaviour/serve.ts"] as const;

/** A plugin that takes so many calls, and then none for as long as a test runs. */
function limited(host: Host, calls: number): Promise<LoadedPlugin> {
  const env = {
    PLUGIN_RATE_LIMIT_ENABLED: "true",
    PLUGIN_RATE_LIMIT_REQUESTS_PER_SECOND: "0.001",
    PLUGIN_RATE_LIMIT_BURST_CAPACITY: String(calls),
  };
  return host.load({ command, env });
}

const socketOf = ({ routes }: Connection) => routes.unary.routes[0]?.endpoint.address.text ?? "";

const ways = [
  { protocols: ["ttrpc"] },
  { protocols: ["grpc"] },
  { protocols: ["connect"], httpVersion: "2" },
  { protocols: ["connect"], httpVersion: "1.1" },
] as const;

async function* once() {
  yield {};
}

describe("a plugin whose rate is limited", () => {
  test("lets a burst through, over all ways together, and refuses the rest with the time to wait", async () => {
    await using host = new Host();
    const loaded = await limited(host, ways.length);
    for (const require of ways) {
      await using connection = await connect(socketOf(loaded), { require });
      expect(await connection.client(BehaviourService).echo({ text: "hi" })).toMatchObject({ text: "hi" });
    }
    for (const require of ways) {
      // That it can be connected to shows that what the plugin is, can still be asked.
      await using connection = await connect(socketOf(loaded), { require });
      const error = ConnectError.from(
        await connection
          .client(BehaviourService)
          .echo({})
          .catch((each: unknown) => each),
      );
      expect(error).toMatchObject({ code: Code.ResourceExhausted, rawMessage: "the plugin's rate limit is exceeded" });
      const seconds = Number(error.metadata.get("Retry-After"));
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(1_000);
    }
  });

  test.each(ways)("refuses calls of every kind over $protocols $httpVersion", async (require) => {
    await using host = new Host();
    const loaded = await limited(host, 1);
    await using connection = await connect(socketOf(loaded), { require });
    const client = connection.client(BehaviourService);
    await client.echo({});
    const calls: (() => Promise<unknown>)[] = [
      () => client.echo({}),
      () => Array.fromAsync(client.produce({ count: 3 })),
      () => client.collect(once()),
      ...("httpVersion" in require && require.httpVersion === "1.1"
        ? []
        : [() => Array.fromAsync(client.converse(once()))]),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({ code: Code.ResourceExhausted });
    }
  });

  test("tells the time to wait in the HTTP header of that name", async () => {
    await using host = new Host();
    const loaded = await limited(host, 1);
    await loaded.client(BehaviourService).echo({});
    const { promise, resolve, reject } = Promise.withResolvers<[number | undefined, string | undefined, unknown]>();
    request(
      {
        socketPath: socketOf(loaded).slice("unix:".length),
        path: "/plugboard.test.v1.BehaviourService/Echo",
        method: "POST",
        headers: { "Content-Type": "application/json" },
        agent: false,
      },
      async (response) => resolve([response.statusCode, response.headers["retry-after"], await json(response)]),
    )
      .on("error", reject)
      .end("{}");
    const [status, retryAfter, body] = await promise;
    expect({ status, body }).toEqual({
      status: 429,
      body: { code: "resource_exhausted", message: "the plugin's rate limit is exceeded" },
    });
    expect(retryAfter).toMatch(/^\d+$/);
  });

  test("always says what it is", async () => {
    await using host = new Host();
    const loaded = await limited(host, 1);
    const client = createClient(PluginService, loaded.transport);
    await loaded.client(BehaviourService).echo({});
    for (let count = 0; count < 5; count++) {
      expect(await client.describe({})).toMatchObject({ manifest: { name: "behaviour" } });
    }
  });
});

test("a plugin that nothing is said to about a limit has none", async () => {
  await using host = new Host();
  const loaded = await host.load({ command });
  const client = loaded.client(BehaviourService);
  // More than a burst would be by default.
  expect(await Promise.all(Array.from({ length: 500 }, () => client.echo({})))).toHaveLength(500);
});
