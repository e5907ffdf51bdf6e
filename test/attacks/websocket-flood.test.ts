import { once } from "node:events";
import * as http from "node:http";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { defaultLog } from "../../src/base/log.ts";
import { trustedLimits } from "../../src/call/call-policy.ts";
import { defaultKeepalive } from "../../src/call/time/keepalive.ts";
import { createWebSocketUpgrade } from "../../src/node/http/websocket.ts";
import { createServiceTable } from "../../src/plugin/service-table.ts";
import { frameType, headerBytes } from "../../src/ttrpc/wire/frame.ts";
import { BehaviourService } from "../gen/plugboard/test/v1/behaviour_pb.ts";
import { listen } from "../support/ttrpc/local-ttrpc.ts";
import type { RawFrame } from "../support/ttrpc/raw-frames.ts";
import { encodeFrame } from "../support/ttrpc/raw-frames.ts";
import { requestFrame } from "../support/ttrpc/raw-peer.ts";

const mib = 1024 * 1024;
const table = createServiceTable([
  (router) => router.rpc(BehaviourService.method.echo, ({ text, data }) => ({ text, data })),
]);

/** Serves WebSockets on a Unix socket, as the system holds little of what no one reads there. */
async function serveWebSockets() {
  const options = {
    headerTimeoutMs: 10_000,
    origins: [],
    secure: false,
    keepalive: defaultKeepalive,
    idleConnectionMs: 75_000,
  };
  const { accept } = createWebSocketUpgrade({ table, policy: { limits: trustedLimits, log: defaultLog }, ...options });
  const server = http.createServer().on("upgrade", accept);
  const sockets: Socket[] = [];
  const listener = await listen((socket) => {
    sockets.push(socket);
    server.emit("connection", socket);
  });
  return { ...listener, sockets };
}

/** Waits until what was sent has left; false if the server has stopped reading. */
async function leftWhileServerReads(socket: WebSocket): Promise<boolean> {
  let waiting = -1;
  for (let turns = 0; turns < 200; turns++) {
    if (socket.bufferedAmount === 0) {
      return true;
    }
    // What goes on in this process gets its turn; a peer that still reads does so within a few.
    await new Promise((resolve) => setImmediate(resolve));
    if (socket.bufferedAmount !== waiting) {
      waiting = socket.bufferedAmount;
      turns = 0;
    }
  }
  return false;
}

test.each<[string, RawFrame]>([
  ["of data on streams that do not exist", { streamId: 2, type: frameType.data }],
  ["of requests with a stream id that no client may use", { streamId: 2, type: frameType.request }],
])(
  "a client that never reads makes the server hold no more than a few MiB of responses to 64 MiB %s",
  async (_, frame) => {
    await using server = await serveWebSockets();
    const socket = new WebSocket(`ws+unix:${server.path}:/`, "plugboard.ttrpc.v1");
    await once(socket, "open");
    socket.pause();
    const batch = Buffer.concat(Array.from({ length: Math.floor(65_536 / headerBytes) }, () => encodeFrame(frame)));
    for (let sent = 0; sent < 64 * mib; sent += batch.byteLength) {
      socket.send(batch);
      if (!(await leftWhileServerReads(socket))) {
        break;
      }
    }
    expect(server.sockets[0]?.writableLength).toBeLessThan(4 * mib);
    // It gets all its responses, once it reads.
    const replied = new Promise<number>((resolve) => {
      socket.on("message", (data: Buffer) => {
        for (let at = 0; at < data.byteLength; at += headerBytes + data.readUInt32BE(at)) {
          if (data.readUInt32BE(at + 4) === 1) {
            resolve(data.readUInt8(at + 8));
          }
        }
      });
    });
    socket.resume();
    socket.send(encodeFrame(requestFrame(1, BehaviourService.method.echo, { text: "still here" })));
    expect(await replied).toBe(frameType.response);
    socket.terminate();
  },
);
