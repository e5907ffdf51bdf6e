/**
 * How long a stream may keep the event loop to itself: in milliseconds, and in messages, as a Worker's clock stands
 * still while it computes.
 */
const maxTurnMs = 10;
const maxTurnMessages = 1000;

/**
 * Lets timers and I/O have their turn now and then. Where messages pass without I/O, a handler and a caller that both
 * never wait could otherwise pass them for ever, and not even a deadline would end it.
 */
export async function* breathing<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  let turnStarted = performance.now();
  let count = 0;
  for await (const message of messages) {
    yield message;
    count += 1;
    if (count >= maxTurnMessages || performance.now() - turnStarted >= maxTurnMs) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      turnStarted = performance.now();
      count = 0;
    }
  }
}
