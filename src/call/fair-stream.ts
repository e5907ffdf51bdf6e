import { nextTurn } from "../base/async/turns.ts";

/**
 * Longest turn of a stream on the event loop: in milliseconds, and in messages, as a Worker's clock stands still while
 * it computes.
 */
const maxTurnMs = 10;
const maxTurnMessages = 1000;

/**
 * Watches a stream that may pass without I/O. To be called for each message; what it returns is to be awaited, if
 * anything: it lets timers and I/O have their turn. Without it, two sides that never wait would pass messages for ever,
 * and not even a deadline would end it.
 */
export function createPacer(): () => Promise<void> | undefined {
  let turnStarted = performance.now();
  let count = 0;
  return () => {
    count += 1;
    if (count < maxTurnMessages && performance.now() - turnStarted < maxTurnMs) {
      return undefined;
    }
    return new Promise((resolve) => {
      nextTurn(() => {
        turnStarted = performance.now();
        count = 0;
        resolve();
      });
    });
  };
}

/** Messages that let timers and I/O have their turn now and then. */
export async function* fairStream<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  const pacer = createPacer();
  for await (const message of messages) {
    yield message;
    const pause = pacer();
    if (pause !== undefined) {
      await pause;
    }
  }
}
