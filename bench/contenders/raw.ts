import { connect, type Socket } from "node:net";
import type { Contender, Driver } from "../contender.ts";
import { drive } from "../drive.ts";
import { builtServer, nodeServer } from "../server-program.ts";
import { createAssembler, forEachFrame, frameHeader, frameKind } from "./raw-frames.ts";
import { opened, openSocket } from "./sockets.ts";

/** Above this, copying writes into one costs more than it saves. */
const copyLimit = 64 * 1024;

/** When to stop reading until the reader of a stream has caught up, in messages' bytes. */
const pauseBytes = 1024 * 1024;

/** The limit: frames with the number of their call, echoed, without protobuf and without anything of RPC. */
export const raw: Contender = {
  name: "raw",
  title: "framed echo without protobuf",
  server: nodeServer("raw"),
  builtServer: builtServer("raw"),
  connect: async (path) => driveRaw(await opened(connect(path))),
  connectTcp: async (port, identity) => driveRaw(await opened(openSocket(port, identity))),
};

function driveRaw(socket: Socket): Driver {
  const calls = new Map<number, (data: Buffer) => void>();
  let onMessage = (_data: Buffer): void => {};
  let nextId = 1;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;

  const assemble = createAssembler((frames) =>
    forEachFrame(frames, (id, kind, data) => {
      if (kind === frameKind.message) {
        onMessage(data);
      } else {
        calls.get(id)?.(data);
        calls.delete(id);
      }
    }),
  );
  socket.on("data", assemble);

  function flush() {
    if (pendingBytes <= copyLimit) {
      socket.write(Buffer.concat(pending, pendingBytes));
    } else {
      socket.cork();
      for (const piece of pending) {
        socket.write(piece);
      }
      socket.uncork();
    }
    pending = [];
    pendingBytes = 0;
  }

  function send(kind: number, data: Uint8Array): number {
    const id = nextId;
    nextId = (nextId + 1) >>> 0;
    if (pending.length === 0) {
      // Runs once all calls of this turn were made.
      process.nextTick(flush);
    }
    const header = frameHeader(data.byteLength, id, kind);
    pending.push(header, data);
    pendingBytes += header.byteLength + data.byteLength;
    return id;
  }

  return drive({
    unary: (data) => new Promise((resolve) => calls.set(send(frameKind.echo, data), resolve)),
    async *stream(count, size) {
      let waiting: Buffer[] = [];
      let wake = () => {};
      onMessage = (data) => {
        waiting.push(data);
        if (waiting.length * size >= pauseBytes) {
          socket.pause();
        }
        wake();
      };
      send(frameKind.produce, Buffer.concat([uint32(count), uint32(size)]));
      for (let read = 0; read < count; ) {
        if (waiting.length === 0) {
          socket.resume();
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const batch = waiting;
        waiting = [];
        read += batch.length;
        yield* batch;
      }
      socket.resume();
    },
    close() {
      socket.destroy();
    },
  });
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
