import { randomFillSync } from "node:crypto";
import type { Driver } from "./contender.ts";

/** A client in this process. */
export interface EchoClient {
  /** Every RPC client passes the signal, a deadline and a header with the call. */
  unary(data: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  /** A server stream, read at the pace of its iterator. */
  stream(count: number, size: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** A server stream of one message that stays open. */
  hold?(signal: AbortSignal): AsyncIterable<unknown>;
  close(): void | Promise<void>;
}

/** Drives a client in this process. */
export function drive(client: EchoClient): Driver {
  const { hold } = client;
  return {
    async unary(size, concurrency, milliseconds) {
      const data = randomFillSync(new Uint8Array(size));
      const start = performance.now();
      let done = 0;
      let failed = false;
      const work = async () => {
        const { signal } = new AbortController();
        try {
          do {
            expectSize(await client.unary(data, signal), size);
            done += 1;
          } while (!failed && performance.now() - start < milliseconds);
        } catch (error) {
          failed = true;
          throw error;
        }
      };
      // All of them, so that what fails leaves nothing behind for the next one.
      const results = await Promise.allSettled(Array.from({ length: concurrency }, work));
      const failure = results.find((result) => result.status === "rejected");
      if (failure !== undefined) {
        throw failure.reason;
      }
      return { done, seconds: (performance.now() - start) / 1000 };
    },
    async stream(size, count, milliseconds) {
      const start = performance.now();
      let done = 0;
      do {
        const before = done;
        for await (const data of client.stream(count, size, new AbortController().signal)) {
          expectSize(data, size);
          done += 1;
        }
        if (done - before !== count) {
          throw new Error(`${done - before} messages came of ${count}`);
        }
      } while (performance.now() - start < milliseconds);
      return { done, seconds: (performance.now() - start) / 1000 };
    },
    ...(hold && { openStream: () => firstOf(hold) }),
    close: async () => client.close(),
  };
}

async function firstOf(hold: NonNullable<EchoClient["hold"]>): Promise<AsyncIterator<unknown>> {
  const messages = hold(new AbortController().signal)[Symbol.asyncIterator]();
  if ((await messages.next()).done) {
    throw new Error("the stream has ended");
  }
  return messages;
}

function expectSize(data: Uint8Array, size: number) {
  if (data.byteLength !== size) {
    throw new Error(`${data.byteLength} bytes came of ${size}`);
  }
}
