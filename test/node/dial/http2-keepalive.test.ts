import { Code } from "@connectrpc/connect";
import type { Keepalive, Requirements } from "plugboard";
import { connect } from "plugboard/node";
import { describe, expect, test, vi } from "vitest";
import { Carrier, Protocol } from "../../../src/gen/plugboard/plugin/v1/plugin_pb.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { startFaultyProxy } from "../../support/faulty-proxy.ts";
import type { Place } from "../../support/local-server.ts";
import { startRpcServer } from "../../support/local-server.ts";
import { rejection } from "../../support/rejection.ts";

const impatient: Keepalive = { pingAfterMs: 50, pingTimeoutMs: 200 };
const grpc: Requirements = { protocols: ["grpc"] };
const lost = { code: Code.Unavailable, errorCode: "PB-CONNECTION-LOST" };

const ways = (["unix", "tcp"] as const).flatMap((place) =>
  (["grpc", "connect"] as const).flatMap((protocol) =>
    ([true, false] as const).map((known) => ({ place, protocol, known })),
  ),
);

/** A server with a manifest, as ours have, or without. */
function startServer(place: Place, known: boolean) {
  const carrier = place === "unix" ? Carrier.UNIX : Carrier.TCP;
  const endpoints = [Protocol.GRPC, Protocol.CONNECT].map((protocol) => ({ protocol, carrier }));
  const limits = { maxMessageBytes: 4n * 1024n * 1024n, maxConcurrentStreams: 100 };
  const manifest = { name: "known", version: "1.0.0", protocolVersion: 1, endpoints, limits };
  return startRpcServer({ place, httpVersion: "2", ...(known && { manifest }) });
}

describe.each(ways.filter(({ known }) => !known))("$protocol on $place, to a server without a manifest", (way) => {
  const { place, protocol, known } = way;
  const require: Requirements = { protocols: [protocol], httpVersion: "2" };

  test("calls to a server that has vanished end as lost, and the next one dials anew", async () => {
    await using server = await startServer(place, known);
    await using proxy = await startFaultyProxy(server.address);
    await using connection = await connect(proxy.address, { require, keepalive: impatient });
    const client = connection.client(BehaviourService);
    const produced = client.produce({ count: 0 })[Symbol.asyncIterator]();
    await produced.next();
    const hanging = client.hang({ id: "vanished" });
    await vi.waitFor(() => expect(server.calls).toContain("Hang"));
    const { accepted } = proxy;
    proxy.silence("open");
    expect(await rejection(hanging)).toMatchObject(lost);
    expect(await rejection(produced.next())).toMatchObject(lost);
    expect((await client.echo({ text: "again" })).text).toBe("again");
    expect(proxy.accepted).toBe(accepted + 1);
  });
});

describe.each(ways)("$protocol on $place, to a server with a manifest: $known", ({ place, protocol, known }) => {
  const require: Requirements = { protocols: [protocol], httpVersion: "2" };

  test("a call over a connection that has died while it was idle does not wait for ever", async () => {
    await using server = await startServer(place, known);
    await using proxy = await startFaultyProxy(server.address);
    await using connection = await connect(proxy.address, { require, keepalive: impatient });
    const client = connection.client(BehaviourService);
    await client.echo({});
    proxy.silence("open");
    // It may have been noticed before the call.
    const first: unknown = await client.echo({ text: "first" }).catch((error: unknown) => error);
    expect(first).toMatchObject(first instanceof Error ? lost : { text: "first" });
    expect((await client.echo({ text: "again" })).text).toBe("again");
  });
});

test("one of ours is pinged though nothing is called any more, another only while something is", async () => {
  await using ours = await startServer("tcp", true);
  await using other = await startServer("tcp", false);
  await using toOurs = await connect(ours.address, { require: grpc, keepalive: impatient });
  await using toOther = await connect(other.address, { require: grpc, keepalive: impatient });
  await toOurs.client(BehaviourService).echo({});
  await toOther.client(BehaviourService).echo({});
  await vi.waitFor(() => expect(ours.pings).toBeGreaterThan(3), { timeout: 10_000 });
  // Its call may have taken long enough for a ping.
  const before = other.pings;
  await vi.waitFor(() => expect(ours.pings).toBeGreaterThan(6), { timeout: 10_000 });
  expect(other.pings).toBe(before);
  const stop = new AbortController();
  const hanging = rejection(toOther.client(BehaviourService).hang({ id: "busy" }, { signal: stop.signal }));
  await vi.waitFor(() => expect(other.pings).toBeGreaterThan(before + 3), { timeout: 10_000 });
  stop.abort();
  expect(await hanging).toMatchObject({ code: Code.Canceled });
  // Who responds to pings stays.
  expect([ours.sockets.size, other.sockets.size]).toEqual([1, 1]);
});

test("a call on a connection that its server drains may take its time, though no pings can be sent any more", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  await using server = await startRpcServer({
    place: "tcp",
    httpVersion: "2",
    routes: (router) =>
      router.service(BehaviourService, {
        async echo({ text }) {
          await released;
          return { text };
        },
      }),
  });
  await using other = await startServer("tcp", true);
  await using connection = await connect(server.address, { require: grpc, keepalive: impatient });
  await using toOther = await connect(other.address, { require: grpc, keepalive: impatient });
  const slow = connection.client(BehaviourService).echo({ text: "slow" });
  slow.catch(() => undefined);
  await toOther.client(BehaviourService).echo({});
  await vi.waitFor(() => expect(server.calls).toContain("Echo"));
  const gone = server.takeAway();
  const pings = other.pings;
  await vi.waitFor(() => expect(other.pings).toBeGreaterThan(pings + 10), { timeout: 10_000 });
  release();
  expect((await slow).text).toBe("slow");
  await gone;
});

test("a server that takes the connection and says nothing is given up", async () => {
  await using server = await startServer("tcp", true);
  await using proxy = await startFaultyProxy(server.address);
  await using connection = await connect(proxy.address, { require: grpc, keepalive: impatient });
  const client = connection.client(BehaviourService);
  await client.echo({});
  proxy.silence();
  await rejection(client.hang({ id: "silent" }));
  expect(await rejection(client.echo({}))).toMatchObject({ code: Code.Unavailable, errorCode: "PB-DIAL-FAILED" });
  proxy.restore();
  expect((await client.echo({ text: "again" })).text).toBe("again");
});
