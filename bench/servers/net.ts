import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { socketPath, tellListening } from "./listening.ts";

/** A piece that is written at once. */
const chunk = Buffer.alloc(64 * 1024);

// A connection that begins with "p" and a number is sent so many bytes; any other, what it sends after its first byte.
createServer((socket) => {
  // allowed empty-catch: it closes then, which ends what is measured.
  socket.on("error", () => {});
  socket.once("data", (first: Buffer) => {
    if (first[0] === 0x70) {
      void produce(socket, Number(first.subarray(1).toString()));
    } else {
      socket.write(first.subarray(1));
      socket.pipe(socket);
    }
  });
}).listen(socketPath, tellListening);

async function produce(socket: Socket, bytes: number) {
  for (let left = bytes; left > 0; left -= chunk.length) {
    if (!socket.write(left < chunk.length ? chunk.subarray(0, left) : chunk)) {
      await once(socket, "drain");
    }
  }
  socket.end();
}
