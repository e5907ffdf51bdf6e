import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import { connect } from "plugboard/node";
import { expect, onTestFinished, test } from "vitest";
import { parseAddress } from "../../../src/address/address.ts";
import { ttrpcDialers } from "../../../src/client/dialers/ttrpc.ts";
import { BehaviourService } from "../../gen/plugboard/test/v1/behaviour_pb.ts";

/** A server that refuses WebSockets with a status, and handles all else by `reply`; notes who has asked for what. */
async function refusing(status: number, reply: http.RequestListener) {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(`${request.method} with ${request.headers.authorization}`);
    reply(request, response);
  });
  server.on("upgrade", (_, socket) => {
    asked.push("upgrade");
    socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { asked, place: `127.0.0.1:${port}` };
}

test("a token that is refused at a WebSocket is sent once, and told as refused", async () => {
  const { asked, place } = await refusing(401, (_, response) => response.writeHead(401).end());
  await expect(connect(`ws://${place}`, { token: "a-token-of-mine" })).rejects.toMatchObject({
    errorCode: "PB-CALLER-REFUSED",
  });
  expect(new Set(asked)).toEqual(new Set(["upgrade"]));
});

test("a WebSocket that is refused for something else says with which status", async () => {
  const { asked, place } = await refusing(503, (_, response) => response.writeHead(401).end());
  const refused = connect(`ws://${place}`, { token: "a-token-of-mine" });
  await expect(refused).rejects.toThrow(/refused with HTTP status 503/);
  expect(new Set(asked)).toEqual(new Set(["upgrade"]));
});

test("where a WebSocket does not tell its status, the token is not taken along by a redirection", async () => {
  const elsewhere = await refusing(401, (_, response) => response.writeHead(401).end());
  const { asked, place } = await refusing(401, (_, response) => {
    response.writeHead(307, { Location: `http://${elsewhere.place}/` }).end();
  });
  const dialer = ttrpcDialers.find(({ carrier }) => carrier === "websocket");
  const fetched: unknown[] = [];
  const dialed = dialer?.dial(parseAddress(`ws://${place}`), {
    maxMessageBytes: 1024,
    token: async () => "a-token-of-mine",
    fetch: (input, init) => {
      fetched.push(input);
      return fetch(input, init);
    },
  });
  if (dialed === undefined) {
    throw new Error("there is no dialer of WebSockets");
  }
  const call = createClient(BehaviourService, dialed.transport).echo({ text: "hi" });
  await expect(call).rejects.toMatchObject({ errorCode: "PB-DIAL-FAILED" });
  expect(asked.filter((each) => each !== "upgrade")).toEqual(["POST with Bearer a-token-of-mine"]);
  expect(fetched).toHaveLength(1);
  expect(elsewhere.asked).toEqual([]);
  await dialed.close(new Error("done"));
});
