import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client, Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import type { Connection } from "plugboard";
import { definePlugin } from "plugboard";
import { expect, vi } from "vitest";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";
import { cutAt } from "../../support/ttrpc/raw-frames.ts";
import { settle } from "./fuzz.ts";

/** A plugin of this process, and how many of its handlers run. */
export function createVictim() {
  let running = 0;
  const begin = (): Disposable => {
    running += 1;
    return {
      [Symbol.dispose]: () => {
        running -= 1;
      },
    };
  };
  const plugin = definePlugin({
    name: "victim",
    version: "1.0.0",
    routes(router) {
      router.service(BehaviourService, {
        echo: ({ text, data }) => ({ text, data }),
        async hang(_, { signal }) {
          using _running = begin();
          await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          return {};
        },
        async *produce({ count, size }) {
          using _running = begin();
          for (let index = 0; index < Math.min(count, 20); index++) {
            yield { index, data: new Uint8Array(Math.min(size, 200_000)) };
          }
        },
        async collect(requests) {
          using _running = begin();
          let messages = 0;
          for await (const _ of requests) {
            messages += 1;
          }
          return { messages };
        },
        async *converse(requests) {
          using _running = begin();
          for await (const { text } of requests) {
            yield { text };
          }
        },
      });
    },
  });
  /** Waits until no handler runs any more, as no one calls. */
  const idle = () => vi.waitFor(() => expect(running).toBe(0), { timeout: 10_000, interval: 1 });
  return { plugin, idle };
}

/** Writes bytes to a socket, cut anyhow. */
export async function pour(socket: net.Socket, bytes: Uint8Array, places: readonly number[]): Promise<void> {
  socket.on("error", () => undefined);
  socket.resume();
  for (const chunk of cutAt(bytes, places)) {
    if (socket.destroyed) {
      return;
    }
    socket.write(chunk);
    // What is written later than in the same turn comes in a chunk of its own.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Attacks what listens: sends bytes, reads what comes back, and hangs up once that is all. */
export async function attack(to: net.NetConnectOpts, bytes: Uint8Array, places: readonly number[]): Promise<void> {
  const socket = net.connect(to);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await pour(socket, bytes, places);
  socket.end();
  // A server of HTTP/1.1 may go on with its response. Where it has nothing to say, no one waits for it.
  const timer = setTimeout(() => socket.destroy(), 20);
  await closed;
  clearTimeout(timer);
}

async function* requests() {
  yield {};
  yield {};
}

/** Calls methods of every kind. Each call has to end, and if it fails, with a code. */
export async function callAll(client: Client<typeof BehaviourService>, { bidi = true, timeoutMs = 2_000 } = {}) {
  await Promise.all([
    settle(client.echo({ text: "hi" }, { timeoutMs })),
    settle(Array.fromAsync(client.produce({ count: 2 }, { timeoutMs }))),
    settle(client.collect(requests(), { timeoutMs })),
    ...(bidi ? [settle(Array.fromAsync(client.converse(requests(), { timeoutMs })))] : []),
  ]);
}

/** Calls over a transport. */
export function clientOver(transport: Transport): Client<typeof BehaviourService> {
  return createClient(BehaviourService, transport);
}

/** A call that has to go well. */
export async function expectEcho(connection: Connection): Promise<void> {
  const { text } = await connection.client(BehaviourService).echo({ text: "alive" }, { timeoutMs: 10_000 });
  expect(text).toBe("alive");
}

/** Listens on a Unix socket, and lets each connection's other side do what it is told to. */
export async function listenRaw(onSocket: (socket: net.Socket) => void) {
  const directory = await mkdtemp(join(tmpdir(), "fuzz-"));
  const path = join(directory, "s.sock");
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    onSocket(socket);
  });
  server.listen(path);
  await once(server, "listening");
  const hangUp = () => {
    for (const socket of sockets) {
      socket.destroy();
    }
  };
  return {
    path,
    hangUp,
    async [Symbol.asyncDispose]() {
      hangUp();
      server.close();
      await once(server, "close");
      await rm(directory, { recursive: true, force: true });
    },
  };
}
