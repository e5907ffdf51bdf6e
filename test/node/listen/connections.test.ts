import type { ChannelListener } from "node:diagnostics_channel";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import type { Plugin } from "plugboard";
import { definePlugin } from "plugboard";
import { describe, expect, test, vi } from "vitest";
import { defaultLog } from "../../../src/base/log.ts";
import { trustedLimits } from "../../../src/call/call-policy.ts";
import type { ListenOptions } from "../../../src/node/listen/listener.ts";
import { listen } from "../../../src/node/listen/listener.ts";
import { startPlugin } from "../../../src/plugin/running-plugin.ts";
import plugin from "../../behaviour/plugin.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { startFaultyProxy } from "../../support/faulty-proxy.ts";

async function listenAt(options: ListenOptions, served: Plugin = plugin) {
  const listener = await listen(await startPlugin(served), { carrier: "tcp", host: "127.0.0.1", port: 0 }, options);
  const port = listener.address.carrier === "tcp" ? listener.address.port : 0;
  return { port, drain: listener.drain, [Symbol.asyncDispose]: () => listener.drain(0) };
}

/** Calls a method by JSON, and gives the response's text once it is whole. */
async function post(session: http2.ClientHttp2Session, method: string, message: object): Promise<string> {
  const stream = session.request({
    ":method": "POST",
    ":path": `/${BehaviourService.typeName}/${method}`,
    "content-type": "application/json",
  });
  stream.end(JSON.stringify(message));
  const pieces: Buffer[] = [];
  for await (const piece of stream) {
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

async function untilAborted(session: http2.ClientHttp2Session, id: string) {
  while (!JSON.parse(await post(session, "Watch", { id })).aborted) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("the calls of a client that has vanished end, and its connection is dropped", async () => {
  await using server = await listenAt({ keepalive: { pingAfterMs: 50, pingTimeoutMs: 200 } });
  await using proxy = await startFaultyProxy(`tcp:127.0.0.1:${server.port}`);
  const lost = http2.connect(proxy.address.replace("tcp:", "http://")).on("error", () => undefined);
  const other = http2.connect(`http://127.0.0.1:${server.port}`);
  void post(lost, "Hang", { id: "vanished" }).catch(() => undefined);
  while (!JSON.parse(await post(other, "Watch", { id: "vanished" })).started) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  proxy.silence();
  await untilAborted(other, "vanished");
  // Who responds to pings stays, though it calls nothing.
  expect(other.closed).toBe(false);
  lost.destroy();
  other.destroy();
});

test("a call in flight may take its time while the server drains, when no pings can be sent any more", async () => {
  const keepalive = { pingAfterMs: 50, pingTimeoutMs: 200 };
  const { promise: called, resolve: begin } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const slow = definePlugin({
    name: "slow",
    version: "1.0.0",
    routes: (router) =>
      router.service(BehaviourService, {
        async echo({ text }) {
          begin();
          await released;
          return { text };
        },
      }),
  });
  await using server = await listenAt({ keepalive }, slow);
  await using other = await listenAt({ keepalive });
  const client = http2.connect(`http://127.0.0.1:${server.port}`).on("error", () => undefined);
  const pinged = http2.connect(`http://127.0.0.1:${other.port}`);
  let pings = 0;
  pinged.on("ping", () => {
    pings += 1;
  });
  const response = post(client, "Echo", { text: "slow" });
  response.catch(() => undefined);
  await called;
  const drained = server.drain(60_000);
  await vi.waitFor(() => expect(pings).toBeGreaterThan(10), { timeout: 10_000 });
  release();
  expect(JSON.parse(await response)).toEqual({ text: "slow" });
  await drained;
  pinged.destroy();
});

describe("a caller that does not wait for responses over HTTP/1.1", () => {
  const maxConcurrentStreams = 10;
  const policy = { limits: { ...trustedLimits, maxConcurrentStreams }, log: defaultLog };
  const body = JSON.stringify({ id: "pipelined" });
  const fields = `Host: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
  const post1 = (method: string, more = "") =>
    `POST /${BehaviourService.typeName}/${method} HTTP/1.1\r\n${fields}${more}\r\n${body}`;

  test("is told with the first request that is too many, as the last on its connection", async () => {
    await using server = await listenAt({ policy });
    const caller = net.connect(server.port, "127.0.0.1");
    caller.write(post1("Hang", "Connect-Timeout-Ms: 500\r\n").repeat(maxConcurrentStreams));
    caller.write(post1("Echo").repeat(3));
    let response = "";
    for await (const piece of caller) {
      response += piece;
    }
    expect(response.match(/HTTP\/1.1 \d+/g)).toEqual([
      ...new Array(maxConcurrentStreams).fill("HTTP/1.1 504"),
      "HTTP/1.1 429",
    ]);
  });

  test("keeps what is behind that itself", async () => {
    const many = 20_000;
    await using server = await listenAt({ policy });
    let begun = 0;
    const count = ({ socket }: { socket: net.Socket }) => {
      begun += socket.localPort === server.port ? 1 : 0;
    };
    const caller = net.connect(server.port, "127.0.0.1").on("error", () => undefined);
    const other = http2.connect(`http://127.0.0.1:${server.port}`);
    subscribe("http.server.request.start", count as ChannelListener);
    caller.write(post1("Hang").repeat(maxConcurrentStreams));
    caller.write("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(many));
    // Until nothing more is taken, or everything was.
    for (let before = -1; begun <= maxConcurrentStreams || begun !== before; ) {
      before = begun;
      for (let call = 0; call < 20; call++) {
        await post(other, "Watch", { id: "other" });
      }
    }
    unsubscribe("http.server.request.start", count as ChannelListener);
    expect(begun).toBeLessThan(many / 2);
    caller.destroy();
    other.destroy();
  });
});

test("connections beyond the limit are closed, and there is room again when one ends", async () => {
  await using server = await listenAt({ maxConnections: 2 });
  const dial = () => net.connect(server.port, "127.0.0.1").on("error", () => undefined);
  const responses = async (socket: net.Socket) => {
    socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return await Promise.race([
      new Promise<boolean>((resolve) =>
        socket.once("data", (data) => resolve(String(data).startsWith("HTTP/1.1 200"))),
      ),
      new Promise<boolean>((resolve) => socket.once("close", () => resolve(false))),
    ]);
  };
  const [first, second, third] = [dial(), dial(), dial()];
  expect(await Promise.all([first, second, third].map(responses))).toEqual([true, true, false]);
  first.destroy();
  while (!(await responses(dial()))) {
    // The server hears of the end a little later.
  }
  second.destroy();
});

test("a connection of HTTP/1.1 that waits for longer than it may is closed", async () => {
  await using server = await listenAt({ idleConnectionMs: 50 });
  const socket = net.connect(server.port, "127.0.0.1");
  socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [data] = await once(socket, "data");
  expect(String(data)).toMatch(/^HTTP\/1.1 200/);
  await once(socket.resume(), "close");
});
