import { once } from "node:events";
import * as net from "node:net";
import { definePlugin } from "plugboard";
import { expect, test } from "vitest";
import type { ListenOptions } from "../../../src/node/listen/listener.ts";
import { listen } from "../../../src/node/listen/listener.ts";
import { startPlugin } from "../../../src/plugin/running-plugin.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

/** Serves what notes each call of Echo, and streams until it is let go on. */
async function start(options: ListenOptions = {}) {
  const echoed: string[] = [];
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const plugin = definePlugin({
    name: "ending",
    version: "1.0.0",
    routes: (router) => {
      router.service(BehaviourService, {
        echo({ text }) {
          echoed.push(text);
          return { text };
        },
        async *produce() {
          yield { index: 0 };
          await released;
          yield { index: 1 };
        },
        // Responds without having read what it is sent.
        collect: async () => ({ messages: 7 }),
      });
    },
  });
  const listener = await listen(await startPlugin(plugin), { carrier: "tcp", host: "127.0.0.1", port: 0 }, options);
  const port = listener.address.carrier === "tcp" ? listener.address.port : 0;
  return { echoed, release, port, drain: (graceMs = 10_000) => listener.drain(graceMs) };
}

/** A client that goes on reading and writing when the server has ended its side. */
async function dial(port: number) {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  let heard = "";
  const errors: Error[] = [];
  socket.on("error", (error) => errors.push(error));
  socket.on("data", (bytes) => {
    heard += bytes.toString("latin1");
  });
  const ended = once(socket, "end");
  return {
    socket,
    errors,
    ended,
    post(method: string, body: string | Buffer, type = "application/json", length = body.length) {
      const path = `/${BehaviourService.typeName}/${method}`;
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n`,
      );
      socket.write(body);
    },
    /** Waits until something was said, and gives all up to its end. */
    async until(text: string) {
      while (!heard.includes(text)) {
        await once(socket, "data");
      }
      const said = heard;
      heard = "";
      return said;
    },
    heard: () => heard,
  };
}

const envelope = (json: string) => Buffer.concat([Buffer.from([0, 0, 0, 0, json.length]), Buffer.from(json)]);

test("a connection that is idle when the server stops has one more call, and hears that it is the last", async () => {
  const server = await start();
  const client = await dial(server.port);
  client.post("Echo", '{"text":"first"}');
  expect(await client.until('{"text":"first"}')).toContain("Connection: keep-alive");
  const drained = server.drain();
  client.post("Echo", '{"text":"last"}');
  expect(await client.until('{"text":"last"}')).toContain("Connection: close");
  await client.ended;
  client.socket.end();
  await drained;
});

test("a request that crosses the end of an idle connection gets the response that nothing was done", async () => {
  const server = await start();
  const client = await dial(server.port);
  client.post("Echo", '{"text":"first"}');
  await client.until('{"text":"first"}');
  const drained = server.drain();
  await client.ended;
  client.post("Echo", '{"text":"crosses"}');
  const response = client.heard();
  expect(response).toMatch(/^HTTP\/1\.1 408 .*\r\nPlugboard-Refused: draining\r\nConnection: close\r\n/s);
  expect(response).toContain('{"code":"unavailable",');
  client.socket.end();
  await drained;
  expect(client.errors).toEqual([]);
  expect(server.echoed).toEqual(["first"]);
});

test("a stream that began before the server stops ends well, and then its connection, with the same words", async () => {
  const server = await start();
  const client = await dial(server.port);
  client.post("Produce", envelope("{}"), "application/connect+json");
  expect(await client.until("{}")).toContain("Connection: keep-alive");
  const drained = server.drain();
  server.release();
  await client.ended;
  expect(client.heard()).toMatch(/"index":1.*HTTP\/1\.1 408 .*Plugboard-Refused: draining/s);
  client.socket.end();
  await drained;
});

test("a response that is sent before its request was read arrives whole, though the server stops", async () => {
  const server = await start();
  const client = await dial(server.port);
  client.post("Echo", '{"text":"first"}');
  await client.until('{"text":"first"}');
  const drained = server.drain();
  const mebibyte = 1024 * 1024;
  client.post("Collect", envelope("{}"), "application/connect+json", 7 + 4 * mebibyte);
  await client.until('"messages":7');
  // At a connection that does not take this, the system would throw away what was said before.
  client.socket.write(Buffer.alloc(4 * mebibyte));
  await client.ended;
  client.socket.end();
  await drained;
  expect(client.errors).toEqual([]);
});

test("the first request on a connection is served, if the server was told to stop when it was on its way", async () => {
  const server = await start();
  const client = await dial(server.port);
  const drained = server.drain();
  client.post("Echo", '{"text":"late"}');
  expect(await client.until('{"text":"late"}')).toContain("Connection: close");
  await client.ended;
  client.socket.end();
  await drained;
});

test("a connection that has been idle for too long ends with the same words", async () => {
  const server = await start({ idleConnectionMs: 20 });
  const client = await dial(server.port);
  client.post("Echo", '{"text":"first"}');
  await client.until('{"text":"first"}');
  await client.ended;
  expect(client.heard()).toMatch(/^HTTP\/1\.1 408 .*\r\nPlugboard-Refused: draining\r\n/s);
  client.socket.end();
  await server.drain(0);
});

test("a client that does not end its side holds a stop up for a moment only", async () => {
  const server = await start();
  const client = await dial(server.port);
  client.post("Echo", '{"text":"first"}');
  await client.until('{"text":"first"}');
  const closed = once(client.socket, "close");
  await server.drain(600_000);
  client.socket.end();
  await closed;
});
