import { createHash } from "node:crypto";
import { once } from "node:events";
import * as net from "node:net";
import fc from "fast-check";
import { connect } from "plugboard/node";
import { parseAddress } from "../../../src/address/address.ts";
import { webSocketDialer } from "../../../src/node/dial/websocket.ts";
import { listenLocally } from "../../support/local-listener.ts";
import { fuzz } from "./fuzz.ts";
import { anyText, cuts, damaged, junk, mostly } from "./generators.ts";
import { ttrpcFrames } from "./ttrpc-frames.ts";
import { attack, callAll, clientOver, createVictim, expectEcho, pour } from "./victim.ts";

const protocol = "plugboard.ttrpc.v1";
const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

interface RawMessage {
  /** The first byte: fin, three reserved bits, opcode. */
  readonly head: number;
  readonly payload: Uint8Array;
  readonly masked: boolean;
  /** The announced length, instead of the true one. */
  readonly length: number | undefined;
}

function encode({ head, payload, masked, length = payload.byteLength }: RawMessage): Buffer {
  const lengthBytes =
    length < 126
      ? [length]
      : length < 65_536
        ? [126, length >> 8, length & 255]
        : [127, 0, 0, 0, 0, (length >>> 24) & 255, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  lengthBytes[0] = (lengthBytes[0] ?? 0) | (masked ? 0x80 : 0);
  const mask = masked ? [0, 0, 0, 0] : [];
  return Buffer.concat([Buffer.of(head, ...lengthBytes, ...mask), payload]);
}

const binary = fc.array(ttrpcFrames, { minLength: 1, maxLength: 4 }).map((all) => Buffer.concat(all));
const code = fc
  .constantFrom(1000, 1001, 1002, 1005, 1006, 1009, 3000, 0, 65_535)
  .map((each) => Buffer.of(each >> 8, each & 255));
const close = fc.tuple(code, junk).map((both) => Buffer.concat(both));

/** The bytes of one side once the WebSocket is open. */
function said(byClient: boolean) {
  const message = (first: number, payload: fc.Arbitrary<Uint8Array>, weight: number) => ({
    weight,
    arbitrary: fc
      .record({
        head: mostly(fc.constant(0x80 | first), fc.constant(first), fc.nat({ max: 255 })),
        payload: mostly(payload, damaged(payload)),
        masked: fc.oneof({ weight: 30, arbitrary: fc.constant(byClient) }, fc.boolean()),
        length: fc.option(fc.constantFrom(0, 5, 126, 70_000, 0x400001, 0x7fffffff), { nil: undefined, freq: 20 }),
      })
      .map(encode),
  });
  const any = fc.oneof(
    message(opcode.binary, binary, 10),
    message(
      opcode.text,
      anyText.map((each) => Buffer.from(each)),
      1,
    ),
    message(opcode.continuation, binary, 1),
    message(opcode.ping, junk, 1),
    message(opcode.pong, junk, 1),
    message(opcode.close, close, 1),
    { weight: 1, arbitrary: junk.map((bytes) => Buffer.from(bytes)) },
  );
  return fc.record({ bytes: fc.array(any, { maxLength: 8 }).map((all) => Buffer.concat(all)), places: cuts });
}

fuzz("WebSocket: a server outlives any messages", async () => {
  const { plugin, idle } = createVictim();
  const listener = await listenLocally(plugin, "tcp");
  const port = Number(listener.address.split(":").at(-1));
  const connection = await connect(listener.address.replace("tcp:", "ws://"), { require: { protocols: ["ttrpc"] } });
  const upgrade = Buffer.from(
    [
      ...["GET / HTTP/1.1", `Host: 127.0.0.1:${port}`, "Connection: Upgrade", "Upgrade: websocket"],
      ...["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"],
      ...[`Sec-WebSocket-Protocol: ${protocol}`, "", ""],
    ].join("\r\n"),
  );
  return {
    input: said(true),
    share: 5,
    attempt: ({ bytes, places }) => attack({ host: "127.0.0.1", port }, Buffer.concat([upgrade, bytes]), places),
    probe: () => expectEcho(connection),
    async [Symbol.asyncDispose]() {
      await idle();
      await connection.close();
      await listener[Symbol.asyncDispose]();
    },
  };
});

fuzz("WebSocket: each call of a client ends, whatever messages a server sends", async () => {
  let sent: { readonly bytes: Uint8Array; readonly places: readonly number[]; readonly response: string };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    socket.once("data", async (chunk: Buffer) => {
      const key = /^sec-websocket-key: *(.*?) *\r$/im.exec(chunk.toString("latin1"))?.[1] ?? "";
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      socket.write(sent.response.replace("ACCEPT", accept));
      if (sent.response.includes("ACCEPT")) {
        // The first call's frames.
        await Promise.race([once(socket, "data"), once(socket, "close")]);
      }
      await pour(socket, sent.bytes, sent.places);
      socket.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const address = parseAddress(`ws://127.0.0.1:${port}`);
  const switching = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n`;
  const opened = `${switching}Sec-WebSocket-Protocol: ${protocol}\r\n\r\n`;
  const refused = fc.constantFrom(
    `${switching}\r\n`,
    `${switching}Sec-WebSocket-Protocol: chat\r\n\r\n`,
    opened.replace("ACCEPT", "wrong"),
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 401 Unauthorized\r\n\r\n",
    "",
  );
  return {
    input: fc.record({
      said: said(false),
      response: fc.oneof({ weight: 20, arbitrary: fc.constant(opened) }, refused),
    }),
    share: 5,
    async attempt({ said, response }) {
      sent = { ...said, response };
      const dialed = webSocketDialer.dial(address, { maxMessageBytes: 4 * 1024 * 1024 });
      const known = { extensions: ["plugboard.stream.v1", "plugboard.chunk.v1"], limits: {} };
      await callAll(clientOver(dialed.knowing?.(known) ?? dialed.transport));
      await dialed.close(new Error("the test is over"));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) {
        socket.destroy();
      }
      server.close();
      await once(server, "close");
    },
  };
});
