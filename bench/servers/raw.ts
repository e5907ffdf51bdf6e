import { once } from "node:events";
import { createAssembler, forEachFrame, frameHeader, frameKind } from "../contenders/raw-frames.ts";
import { tellListening } from "./listening.ts";
import { createSocketServer, place } from "./place.ts";

const server = await createSocketServer((socket) => {
  async function produce(id: number, count: number, size: number) {
    const header = frameHeader(size, id, frameKind.message);
    const data = Buffer.alloc(size);
    for (let index = 0; index < count; ) {
      socket.cork();
      // Some at a time, so that small ones share a write.
      for (let bytes = 0; bytes < 64 * 1024 && index < count; index++) {
        socket.write(header);
        socket.write(data);
        bytes += header.length + size;
      }
      socket.uncork();
      if (socket.writableNeedDrain) {
        await once(socket, "drain");
      }
    }
  }

  const assemble = createAssembler((frames) => {
    if (frames[8] === frameKind.produce) {
      forEachFrame(frames, (id, _kind, data) => {
        void produce(id, data.readUInt32BE(0), data.readUInt32BE(4));
      });
    } else {
      socket.write(frames);
    }
  });
  socket.on("data", assemble);
  // allowed empty-catch: it closes then, which ends what is measured.
  socket.on("error", () => {});
});
server.listen(place, tellListening);
