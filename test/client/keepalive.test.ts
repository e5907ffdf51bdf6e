import { Code } from "@connectrpc/connect";
import type { Keepalive } from "plugboard";
import { isPlugboardError } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test, vi } from "vitest";
import { defaultKeepalive } from "../../src/call/time/keepalive.ts";
import plugin from "../behaviour/plugin.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { startFaultyProxy } from "../support/faulty-proxy.ts";
import { listenLocally } from "../support/local-listener.ts";

const impatient: Keepalive = { pingAfterMs: 50, pingTimeoutMs: 200 };
const never: Keepalive = { ...defaultKeepalive, pingAfterMs: Number.POSITIVE_INFINITY };

async function serveBehindProxy(keepalive: Keepalive, idleTimeoutMs = Number.POSITIVE_INFINITY) {
  const listener = await listenLocally(plugin, "tcp", { keepalive, limits: { idleTimeoutMs } });
  const proxy = await startFaultyProxy(listener.address);
  return {
    direct: listener.address,
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await listener[Symbol.asyncDispose]();
    },
  };
}

const ways = [
  { name: "ttrpc on TCP", protocol: "ttrpc", at: (address: string) => address },
  { name: "ttrpc on a WebSocket", protocol: "ttrpc", at: (address: string) => address.replace("tcp:", "ws://") },
] as const;

describe.each(ways)("over $name", ({ protocol, at }) => {
  const open = (address: string, keepalive: Keepalive) =>
    connect(at(address), { keepalive, require: { protocols: [protocol] } });

  test("a server that takes the connection and says nothing is given up", async () => {
    await using server = await serveBehindProxy(never);
    await using connection = await open(server.proxy.address, impatient);
    const client = connection.client(BehaviourService);
    await client.echo({});
    server.proxy.silence();
    await expect(client.hang({ id: crypto.randomUUID() })).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(client.echo({})).rejects.toMatchObject({ code: Code.Unavailable });
    server.proxy.restore();
    expect((await client.echo({ text: "again" })).text).toBe("again");
  });

  test("a silent connection is dropped though it has no call", async () => {
    await using server = await serveBehindProxy(never);
    await using connection = await open(server.proxy.address, impatient);
    const client = connection.client(BehaviourService);
    await client.echo({});
    server.proxy.silence("open");
    server.proxy.restore();
    await vi.waitFor(async () => expect((await client.echo({ text: "new" }, { timeoutMs: 300 })).text).toBe("new"), {
      timeout: 10_000,
    });
  });

  test("the handlers of a client that has vanished are aborted", async () => {
    await using server = await serveBehindProxy(impatient);
    await using direct = await open(server.direct, never);
    await using connection = await open(server.proxy.address, never);
    const id = crypto.randomUUID();
    const hanging = connection.client(BehaviourService).hang({ id });
    hanging.catch(() => undefined);
    const watch = () => direct.client(BehaviourService).watch({ id });
    await vi.waitFor(async () => expect((await watch()).started).toBe(true), { timeout: 10_000 });
    server.proxy.silence("open");
    await vi.waitFor(async () => expect((await watch()).aborted).toBe(true), { timeout: 10_000 });
  });

  test("who responds to pings stays, on either side, though nothing is called", async () => {
    await using server = await serveBehindProxy(impatient, 100);
    await using connection = await open(server.proxy.address, impatient);
    const client = connection.client(BehaviourService);
    await client.echo({});
    const { accepted, open: before } = server.proxy;
    await expect(client.hang({ id: crypto.randomUUID() }, { timeoutMs: 1_000 })).rejects.toMatchObject({
      code: Code.DeadlineExceeded,
    });
    await client.echo({});
    expect(server.proxy).toMatchObject({ accepted, open: before });
  });

  test("a connection that never calls is closed where silence has a limit", async () => {
    await using server = await serveBehindProxy(never, 100);
    const silent = new WebSocket(server.direct.replace("tcp:", "ws://"), "plugboard.ttrpc.v1");
    await new Promise((resolve) => silent.addEventListener("close", resolve));
  });
});

test.each([{ pingAfterMs: 0 }, { pingTimeoutMs: -1 }])("%o is refused", async (keepalive) => {
  const error = await connect("unix:/nowhere", { keepalive }).catch((reason: unknown) => reason);
  expect(isPlugboardError(error, "PB-LIMIT-INVALID")).toBe(true);
});
