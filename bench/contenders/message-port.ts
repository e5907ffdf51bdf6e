import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Driver } from "../contender.ts";
import { drive } from "../drive.ts";

/** Node's own MessagePort: bytes with a number, echoed by a worker thread, copied on both ways. */
export async function driveMessagePort(): Promise<Driver> {
  const worker = new Worker(new URL("../servers/message-port.ts", import.meta.url));
  await once(worker, "online");
  const calls = new Map<number, (data: Uint8Array) => void>();
  let lastId = 0;
  worker.on("message", ([id, data]: readonly [number, Uint8Array]) => {
    calls.get(id)?.(data);
    calls.delete(id);
  });
  return drive({
    unary(data) {
      lastId += 1;
      const id = lastId;
      worker.postMessage([id, data]);
      return new Promise((resolve) => calls.set(id, resolve));
    },
    stream() {
      throw new Error("a port has no streams");
    },
    async close() {
      await worker.terminate();
    },
  });
}
