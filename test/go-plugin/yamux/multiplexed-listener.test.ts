import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import type { Client } from "@connectrpc/connect";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { definePlugin } from "plugboard";
import { afterAll, expect, test, vi } from "vitest";
import { localKeepalive } from "../../../src/call/time/keepalive.ts";
import { createMultiplexer } from "../../../src/go-plugin/yamux/multiplexer.ts";
import { createHttp2Connection } from "../../../src/node/dial/http2-connection.ts";
import { listen } from "../../../src/node/listen/listener.ts";
import { startPlugin } from "../../../src/plugin/running-plugin.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

const directory = mkdtempSync(join(tmpdir(), "multiplexed-"));
const path = join(directory, "p.sock");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const { promise: released, resolve: release } = Promise.withResolvers<void>();

const plugin = definePlugin({
  name: "multiplexed",
  version: "1.0.0",
  routes(router) {
    router.service(BehaviourService, {
      echo: ({ text, data }) => ({ text, data }),
      async hang() {
        await released;
        return {};
      },
      async *produce() {
        yield { index: 1 };
        yield { index: 2 };
      },
    });
  },
});

async function start(headerTimeoutMs = 600_000) {
  const multiplexer = createMultiplexer("server");
  const running = await startPlugin(plugin);
  const options = { headerTimeoutMs, multiplexing: multiplexer };
  return { multiplexer, listener: await listen(running, { carrier: "unix", path }, options) };
}

async function connectSocket(): Promise<net.Socket> {
  const socket = net.connect({ path }).on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

function clientOver(open: () => Promise<Duplex>): Client<typeof BehaviourService> {
  const baseUrl = "http://localhost";
  const sessionManager = createHttp2Connection({
    baseUrl,
    opener: open,
    address: { text: path },
    keepalive: localKeepalive,
  });
  return createClient(BehaviourService, createGrpcTransport({ baseUrl, sessionManager }));
}

test("what a plugin serves goes over the streams of its host's one connection", async () => {
  const { listener } = await start();
  const multiplexer = createMultiplexer("client");
  const client = clientOver(() => multiplexer.openStream());
  const other = clientOver(() => multiplexer.openStream());
  // It may be asked before there is a connection.
  const response = client.echo({ text: "one" });
  const socket = await connectSocket();
  multiplexer.attach(socket);
  expect(await Promise.all([response, other.echo({ text: "two" })])).toMatchObject([{ text: "one" }, { text: "two" }]);

  const hanging = client.hang({});
  await vi.waitFor(async () => expect(await client.echo({})).toBeDefined());
  const drained = listener.drain(5_000);
  release();
  await hanging;
  await drained;
  await multiplexer.ended;
  await vi.waitFor(() => expect(socket.destroyed).toBe(true));
  await expect(client.echo({})).rejects.toMatchObject({ code: Code.Unavailable });
  expect(readdirSync(directory)).toEqual([]);
});

test("who connects and says nothing is not taken for the host, and no one but the first is", async () => {
  const { listener } = await start();
  const silent = await connectSocket();
  silent.end();
  await once(silent.resume(), "close");
  const idle = await connectSocket();

  const multiplexer = createMultiplexer("client");
  multiplexer.attach(await connectSocket());
  const client = clientOver(() => multiplexer.openStream());
  expect(await client.echo({ text: "host" })).toMatchObject({ text: "host" });

  idle.write("late");
  expect(await text(idle).catch(() => "")).toBe("");
  expect(await client.echo({ text: "still" })).toMatchObject({ text: "still" });
  const waiting = await connectSocket();
  await Promise.all([listener.drain(0), once(waiting.resume(), "close")]);
  await multiplexer.close();
});

test("who says nothing is not waited for for ever", async () => {
  const { listener } = await start(20);
  const silent = await connectSocket();
  await once(silent.resume(), "close");
  await listener.drain(0);
});

test("the plugin hears that its host's connection has ended", async () => {
  const { listener, multiplexer } = await start();
  const host = createMultiplexer("client");
  const socket = await connectSocket();
  host.attach(socket);
  await clientOver(() => host.openStream()).echo({});
  socket.destroy();
  await multiplexer.ended;
  await listener.drain(0);
});

test("a multiplexer takes one connection, and opens no streams once it is closed", async () => {
  const multiplexer = createMultiplexer("client");
  const stream = multiplexer.openStream();
  const aborted = multiplexer.openStream(AbortSignal.abort(new Error("not now")));
  await expect(aborted).rejects.toThrow("not now");
  await multiplexer.close();
  await expect(stream).rejects.toThrow("the multiplexer is closed");
  await multiplexer.ended;
  const late = new Duplex({ read() {}, write() {} });
  multiplexer.attach(late);
  expect(late.destroyed).toBe(true);
});

/** Two ends of a connection on which all that is written within some turns of the event loop arrives in one piece. */
function lumpyPair(): readonly [Duplex, Duplex] {
  class End extends Duplex {
    other: End | undefined;
    readonly #written: Buffer[] = [];
    override _read() {}
    override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void) {
      this.#written.push(chunk);
      if (this.#written.length === 1) {
        void this.#deliver();
      }
      callback();
    }
    async #deliver() {
      for (let turn = 0; turn < 20; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      this.other?.push(Buffer.concat(this.#written.splice(0)));
    }
  }
  const a = new End();
  const b = new End();
  a.other = b;
  b.other = a;
  return [a, b];
}

test("a listener serves on a connection that came another way, and a response is whole though all of it comes at once", async () => {
  const listener = await listen(await startPlugin(plugin), { carrier: "unix", path }, {});
  const [ours, theirs] = lumpyPair();
  listener.accept(theirs);
  const client = clientOver(async () => ours);
  expect(await client.echo({ text: "lump" })).toMatchObject({ text: "lump" });
  const indices = (await Array.fromAsync(client.produce({}))).map(({ index }) => index);
  expect(indices).toEqual([1, 2]);
  await listener.drain(1_000);
  await vi.waitFor(() => expect(theirs.destroyed).toBe(true));
});
