import { once } from "node:events";
import { connect } from "node:net";
import type { Contender } from "../contender.ts";
import { builtServer, nodeServer } from "../server-program.ts";

/** Bytes back and forth over a socket; as a stream, as many bytes as the messages would have. */
export const net: Contender = {
  name: "net",
  title: "bare net socket",
  server: nodeServer("net"),
  builtServer: builtServer("net"),
  oneAtATime: true,
  async connect(path) {
    const socket = connect(path);
    await once(socket, "connect");
    socket.write("e");
    return {
      unary(size, _concurrency, milliseconds) {
        const data = Buffer.alloc(size);
        const start = performance.now();
        let done = 0;
        let missing = size;
        return new Promise((resolve) => {
          const receive = (chunk: Buffer) => {
            missing -= chunk.length;
            if (missing > 0) {
              return;
            }
            done += 1;
            const elapsed = performance.now() - start;
            if (elapsed >= milliseconds) {
              socket.off("data", receive);
              resolve({ done, seconds: elapsed / 1000 });
            } else {
              missing = size;
              socket.write(data);
            }
          };
          socket.on("data", receive);
          socket.write(data);
        });
      },
      async stream(size, count, milliseconds) {
        const start = performance.now();
        let done = 0;
        do {
          await readBytes(path, size * count);
          done += count;
        } while (performance.now() - start < milliseconds);
        return { done, seconds: (performance.now() - start) / 1000 };
      },
      async close() {
        socket.destroy();
      },
    };
  },
};

async function readBytes(path: string, bytes: number) {
  const socket = connect(path);
  let received = 0;
  socket.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  socket.write(`p${bytes}`);
  await once(socket, "end");
  if (received !== bytes) {
    throw new Error(`${received} bytes came of ${bytes}`);
  }
}
