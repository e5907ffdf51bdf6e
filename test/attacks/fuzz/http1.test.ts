import fc from "fast-check";
import { connect } from "plugboard/node";
import { parseAddress } from "../../../src/address/address.ts";
import { httpDialers } from "../../../src/node/dial/http.ts";
import { listenLocally } from "../../support/local-listener.ts";
import { fuzz, settle } from "./fuzz.ts";
import { cuts, damaged, junk, mostly } from "./generators.ts";
import { contentTypes, envelopes } from "./http2-frames.ts";
import { attack, callAll, clientOver, createVictim, expectEcho, listenRaw, pour } from "./victim.ts";

const service = "/plugboard.test.v1.BehaviourService/";
const line = fc.oneof(
  contentTypes.map((type) => `Content-Type: ${type}`),
  fc.constantFrom(
    ...["Connection: close", "Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c", "Expect: 100-continue"],
    ...["Content-Encoding: gzip", "Connect-Content-Encoding: gzip", "Connect-Timeout-Ms: 5", "Connect-Timeout-Ms: x"],
    ...[
      "Content-Length: 0",
      "Content-Length: 2",
      "Content-Length: 9999",
      "Content-Length: -1",
      "Transfer-Encoding: chunked",
    ],
    ...[
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Protocol: plugboard.ttrpc.v1",
    ],
    ...[
      "Trailer-X: 1",
      "Host: localhost",
      "X: \u0000",
      " folded",
      "Grpc-Status: 5",
      "Trailer: grpc-status",
      "Origin: null",
    ],
  ),
  junk.map((bytes) => Buffer.from(bytes).toString("latin1")),
);
const chunk = fc
  .tuple(envelopes, fc.constantFrom("", ";x=y", "x"))
  .map(([data, extension]) =>
    Buffer.concat([Buffer.from(`${data.byteLength.toString(16)}${extension}\r\n`), data, Buffer.from("\r\n")]),
  );
const bodies = fc.oneof(
  fc
    .constantFrom(
      "",
      "{}",
      "{",
      '{"text":"hi"}',
      '{"code":"aborted","message":1}',
      '{"code":"not_found","details":[{}]}',
      "[]",
      "null",
    )
    .map((each) => Buffer.from(each)),
  fc.array(envelopes, { maxLength: 3 }).map((all) => Buffer.concat(all)),
  fc
    .tuple(fc.array(chunk, { maxLength: 3 }), fc.constantFrom("0\r\n\r\n", "0\r\nX: y\r\n\r\n", "", "-1\r\n"))
    .map(([all, end]) => Buffer.concat([...all, Buffer.from(end)])),
  junk,
);

/** Messages of HTTP/1.1, which begin with one of those lines. */
function messages(first: fc.Arbitrary<string>) {
  const message = fc
    .tuple(first, fc.array(line, { maxLength: 6 }), mostly(fc.constant(true), fc.constant(false)), bodies)
    .map(([start, lines, ends, body]) =>
      Buffer.concat([Buffer.from(`${[start, ...lines].join("\r\n")}\r\n${ends ? "\r\n" : ""}`, "latin1"), body]),
    );
  return fc.record({
    bytes: fc.array(mostly(message, damaged(message)), { minLength: 1, maxLength: 3 }).map((all) => Buffer.concat(all)),
    places: cuts,
  });
}

const requests = messages(
  fc
    .tuple(
      mostly(fc.constant("POST"), fc.constantFrom("GET", "OPTIONS", "CONNECT", "HEAD", "PRI", "x")),
      fc.constantFrom(
        ...["Echo", "Produce", "Collect", "Converse", "Hang"].map((method) => service + method),
        ...[
          "/",
          "*",
          "//",
          "http://x/y",
          `${service}Echo?connect=v1&encoding=json&message=%7B%7D`,
          `${service}Echo?message=%`,
        ],
      ),
      mostly(fc.constant("HTTP/1.1"), fc.constantFrom("HTTP/1.0", "HTTP/2.0", "HTTP/9", "")),
    )
    .map((parts) => `${parts.join(" ")}\r\nHost: localhost`),
);
const responses = messages(
  fc
    .tuple(
      mostly(fc.constant("HTTP/1.1"), fc.constantFrom("HTTP/1.0", "HTTP/3", "")),
      mostly(
        fc.constant("200"),
        fc.constantFrom("100", "101", "103", "204", "304", "404", "429", "503", "0", "999", "x"),
      ),
    )
    .map((parts) => parts.join(" ")),
);

fuzz("HTTP/1.1: a server outlives any requests", async () => {
  const { plugin, idle } = createVictim();
  const listener = await listenLocally(plugin, "unix");
  const connection = await connect(listener.address, { require: { protocols: ["connect"], httpVersion: "1.1" } });
  return {
    input: requests,
    share: 4,
    attempt: ({ bytes, places }) => attack({ path: listener.address.slice("unix:".length) }, bytes, places),
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

fuzz("HTTP/1.1: each call of a client ends, whatever a server sends", async () => {
  let sent: { bytes: Uint8Array; places: readonly number[] } = { bytes: Buffer.alloc(0), places: [] };
  const server = await listenRaw((socket) => {
    socket.once("data", async () => {
      await pour(socket, sent.bytes, sent.places);
      socket.end();
    });
    socket.once("end", () => socket.end());
  });
  const address = parseAddress(`unix:${server.path}`);
  const dialers = httpDialers.filter(({ carrier, httpVersion }) => carrier === "unix" && httpVersion === "1.1");
  return {
    input: fc.record({ reply: responses, dialer: fc.option(fc.constantFrom(...dialers)) }),
    share: 4,
    async attempt({ reply, dialer }) {
      sent = reply;
      if (dialer === null) {
        const require = { protocols: ["connect"], httpVersion: "1.1" } as const;
        await settle(connect(`unix:${server.path}`, { require, dialTimeoutMs: 5_000 }).then((each) => each.close()));
        return;
      }
      const { transport, close } = dialer.dial(address, { maxMessageBytes: 4 * 1024 * 1024 });
      await callAll(clientOver(transport), { bidi: false });
      await close(new Error("the test is over"));
    },
    [Symbol.asyncDispose]: server[Symbol.asyncDispose],
  };
});
