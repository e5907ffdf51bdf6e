import type { Arbitrary } from "fast-check";
import fc from "fast-check";
import { connect } from "plugboard/node";
import { parseAddress } from "../../../src/address/address.ts";
import { httpDialers } from "../../../src/node/dial/http.ts";
import { listenLocally } from "../../support/local-listener.ts";
import { fuzz, settle } from "./fuzz.ts";
import { fromClient, fromServer, preface } from "./http2-frames.ts";
import { attack, callAll, clientOver, createVictim, expectEcho, listenRaw, pour } from "./victim.ts";

fuzz("HTTP/2: a server outlives any frames", async () => {
  const { plugin, idle } = createVictim();
  const listener = await listenLocally(plugin, "unix");
  const connection = await connect(listener.address, { require: { protocols: ["grpc"] } });
  return {
    input: fromClient,
    share: 6,
    attempt: ({ begins, frames, places }) =>
      attack({ path: listener.address.slice("unix:".length) }, Buffer.concat([preface, begins, ...frames]), places),
    async probe() {
      await expectEcho(connection);
      await idle();
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
      await listener[Symbol.asyncDispose]();
    },
  };
});

fuzz("HTTP/2: each call of a client ends, whatever frames a server sends", async () => {
  let sent: typeof fromServer extends Arbitrary<infer T> ? T | undefined : never;
  const server = await listenRaw((socket) => {
    socket.once("data", async () => {
      if (sent === undefined) {
        return;
      }
      const { begins, frames, places } = sent;
      await pour(socket, begins, []);
      await pour(socket, Buffer.concat(frames), places);
      socket.end();
    });
    socket.once("end", () => socket.end());
  });
  const address = parseAddress(`unix:${server.path}`);
  const dialers = httpDialers.filter(({ carrier, httpVersion }) => carrier === "unix" && httpVersion === "2");
  return {
    input: fc.record({ response: fromServer, dialer: fc.option(fc.constantFrom(...dialers)) }),
    share: 6,
    async attempt({ response, dialer }) {
      sent = response;
      if (dialer === null) {
        const protocols = ["grpc" as const];
        await settle(
          connect(`unix:${server.path}`, { require: { protocols }, dialTimeoutMs: 5_000 }).then((each) => each.close()),
        );
        return;
      }
      const { transport, close } = dialer.dial(address, { maxMessageBytes: 4 * 1024 * 1024 });
      await callAll(clientOver(transport));
      await close(new Error("the test is over"));
    },
    [Symbol.asyncDispose]: server[Symbol.asyncDispose],
  };
});
