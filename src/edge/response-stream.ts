/**
 * A response's body as fetch has it. When its reader leaves early, the source's iterator is told.
 * @param last Runs when the source has ended, and before the stream does.
 */
export function responseStream(
  source: AsyncIterable<Uint8Array>,
  last: () => Promise<void>,
): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const result = await iterator.next();
      if (result.done === true) {
        await last();
        controller.close();
      } else {
        controller.enqueue(result.value);
      }
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}
