import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { Standalone } from "../../support/standalone.ts";
import { startStandalone } from "../../support/standalone.ts";

const protocol = "plugboard.ttrpc.v1";
const serve = ["node", "--conditions=plugboard-source", "test/plugin-process/fixtures/open-to-a-page.ts"] as const;

let plugin: Standalone;
let address: string;
beforeAll(async () => {
  plugin = await startStandalone(serve, "tcp:127.0.0.1:0");
  address = plugin.address.replace("tcp:", "ws://");
});
afterAll(async () => {
  expect(await plugin.stop()).toBe(0);
});

async function open(headers: Record<string, string> = {}, protocols: readonly string[] = [protocol]) {
  const socket = new WebSocket(address, [...protocols], { headers });
  await once(socket, "open");
  return socket;
}

/** The status and the message that a request to upgrade is refused with. */
async function refusal(url: string, protocols: readonly string[], headers: Record<string, string>) {
  const socket = new WebSocket(url, [...protocols], { headers });
  socket.on("error", () => undefined);
  const [, response] = await once(socket, "unexpected-response");
  const { message } = JSON.parse(await text(response));
  return [response.statusCode, message];
}

test("a WebSocket speaks ttrpc, and responds in binary", async () => {
  const socket = await open();
  expect(socket.protocol).toBe(protocol);
  // A request with an id that no client may use: the response is a whole frame of its own.
  socket.send(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 2, 1, 0));
  const [reply, isBinary] = await once(socket, "message");
  expect(isBinary).toBe(true);
  expect([...reply.subarray(4, 9)]).toEqual([0, 0, 0, 2, 2]);
  socket.close();
});

test("a token that is offered beside the protocol is not echoed", async () => {
  const socket = await open({}, ["bearer.c3dvcmRmaXNo", protocol]);
  expect(socket.protocol).toBe(protocol);
  socket.close();
});

describe("a WebSocket is closed", () => {
  test.each([
    ["with 1003 after a text message", "text", 1003],
    [
      "with 1002 after a message that ends in the middle of a frame",
      Uint8Array.of(0, 0, 0, 9, 0, 0, 0, 1, 1, 0, 1),
      1002,
    ],
    ["with 1002 after what is no ttrpc", new Uint8Array(20).fill(0x41), 1002],
    ["with 1009 after a message that is too long", new Uint8Array(5 * 1024 * 1024), 1009],
  ])("%s", async (_, message, code) => {
    const socket = await open();
    socket.send(message);
    expect((await once(socket, "close"))[0]).toBe(code);
  });
});

describe("a request to become a WebSocket", () => {
  test("a request from a page of an origin that is named is taken", async () => {
    const socket = await open({ Origin: "https://app.example.com" });
    socket.close();
  });

  test.each<
    [
      string,
      { status: number; words: string; path: string; protocols: readonly string[]; headers: Record<string, string> },
    ]
  >([
    [
      "from a page of another origin",
      {
        status: 403,
        words: "pages of this origin may not call",
        path: "",
        protocols: [protocol],
        headers: { Origin: "https://other.example.com" },
      },
    ],
    [
      "from a page without an origin of its own",
      {
        status: 403,
        words: "pages of this origin may not call",
        path: "",
        protocols: [protocol],
        headers: { Origin: "null" },
      },
    ],
    [
      "for another path",
      { status: 404, words: "WebSockets are opened at /", path: "/elsewhere", protocols: [protocol], headers: {} },
    ],
    [
      "for another protocol",
      {
        status: 400,
        words: "a WebSocket has to offer the subprotocol plugboard.ttrpc.v1",
        path: "",
        protocols: ["chat"],
        headers: {},
      },
    ],
    [
      "for another host, to which a page made its own name lead",
      {
        status: 421,
        words: "only requests for localhost, 127.0.0.1 and [::1] are served here",
        path: "",
        protocols: [protocol],
        headers: { Host: "evil.example.com" },
      },
    ],
  ])("%s is refused", async (_, { status, words, path, protocols, headers }) => {
    expect(await refusal(address + path, protocols, headers)).toEqual([status, words]);
  });
});
