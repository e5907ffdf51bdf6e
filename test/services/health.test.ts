import { getEventListeners } from "node:events";
import type { Client } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test, vi } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { PluginService } from "../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { DeclarationsService } from "../gen/plugboard/test/v1/declarations_pb.ts";
import { declare, localProtocols, serveLocally } from "../support/local-plugin.ts";

async function check(health: Client<typeof Health>, service: string): Promise<Status> {
  return (await health.check({ service })).status;
}

async function next(watching: AsyncIterator<{ readonly status: Status }>): Promise<Status | "ended"> {
  const result = await watching.next();
  return result.done === true ? "ended" : result.value.status;
}

describe.each(localProtocols)("over %s", (protocol) => {
  test.each(["", "plugin", DeclarationsService.typeName])("Check says that %j is served", async (service) => {
    await using plugin = await serveLocally();
    await using connection = await plugin.connect(protocol);
    expect(await check(connection.client(Health), service)).toBe(Status.SERVING);
  });

  test.each(["no.such.Service", Health.typeName, PluginService.typeName, "Plugin"])(
    "Check knows no %s",
    async (service) => {
      await using plugin = await serveLocally();
      await using connection = await plugin.connect(protocol);
      const error = ConnectError.from(await check(connection.client(Health), service).catch((reason) => reason));
      expect(error).toMatchObject({ code: Code.NotFound, rawMessage: "unknown service" });
    },
  );

  test("Watch says that the plugin is served, then that it no longer is, and ends", async () => {
    await using plugin = await serveLocally();
    await using connection = await plugin.connect(protocol);
    const watching = connection.client(Health).watch({ service: "plugin" })[Symbol.asyncIterator]();
    expect(await next(watching)).toBe(Status.SERVING);
    plugin.draining.abort();
    expect(await next(watching)).toBe(Status.NOT_SERVING);
    expect(await next(watching)).toBe("ended");
  });

  test("Watch says that a service is not known, and stays open until the plugin stops", async () => {
    await using plugin = await serveLocally();
    await using connection = await plugin.connect(protocol);
    const health = connection.client(Health);
    const watching = health.watch({ service: "no.such.Service" })[Symbol.asyncIterator]();
    expect(await next(watching)).toBe(Status.SERVICE_UNKNOWN);
    const ended = next(watching);
    expect(await Promise.race([ended, check(health, "")])).toBe(Status.SERVING);
    plugin.draining.abort();
    expect(await ended).toBe("ended");
  });

  test("a plugin that was told to stop is not served", async () => {
    await using plugin = await serveLocally();
    await using connection = await plugin.connect(protocol);
    plugin.draining.abort();
    const health = connection.client(Health);
    expect(await check(health, "")).toBe(Status.NOT_SERVING);
    expect(await check(health, DeclarationsService.typeName)).toBe(Status.NOT_SERVING);
    const statuses = await Array.fromAsync(health.watch({}), ({ status }) => status);
    expect(statuses).toEqual([Status.NOT_SERVING]);
  });

  test("nothing is left of a caller that no longer watches", async () => {
    await using plugin = await serveLocally();
    await using connection = await plugin.connect(protocol);
    const health = connection.client(Health);
    for (let each = 0; each < 20; each++) {
      for await (const { status } of health.watch({})) {
        expect(status).toBe(Status.SERVING);
        break;
      }
    }
    await vi.waitFor(() => expect(getEventListeners(plugin.draining.signal, "abort")).toEqual([]), 10_000);
  });
});

test("a plugin's own health service takes the place of the standard one", async () => {
  await using plugin = await serveLocally((router) =>
    router.service(Health, { check: () => ({ status: Status.UNKNOWN }) }),
  );
  await using connection = await plugin.connect();
  const health = connection.client(Health);
  expect(await check(health, "anything")).toBe(Status.UNKNOWN);
  await expect(Array.fromAsync(health.watch({}))).rejects.toMatchObject({ code: Code.Unimplemented });
  expect(connection.manifest?.services.map(({ name }) => name)).toEqual([Health.typeName]);
});

test("a single method of its own does so, too", async () => {
  await using plugin = await serveLocally((router) =>
    router.rpc(Health.method.check, () => ({ status: Status.UNKNOWN })),
  );
  await using connection = await plugin.connect();
  const health = connection.client(Health);
  expect(await check(health, "")).toBe(Status.UNKNOWN);
  await expect(Array.fromAsync(health.watch({}))).rejects.toMatchObject({ code: Code.Unimplemented });
});

test("the manifest names the plugin's own services only", async () => {
  await using plugin = await serveLocally(declare);
  await using connection = await plugin.connect();
  expect(connection.manifest?.services.map(({ name }) => name)).toEqual([DeclarationsService.typeName]);
});
