/**
 * What hands on another's messages, and to it how their reader ends. Not a generator: that would keep whoever ends it waiting
 * for a message that is yet to come.
 * @param nextOf Makes what the next message is asked for by, for one reading.
 */
export function forwardIterator<T, U = T>(
  source: AsyncIterable<T>,
  nextOf: (iterator: AsyncIterator<T>) => () => Promise<IteratorResult<U>>,
): AsyncIterable<U> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      return {
        next: nextOf(iterator),
        ...(iterator.return && { return: (value) => ended(iterator.return?.(value)) }),
        ...(iterator.throw && { throw: (reason) => ended(iterator.throw?.(reason)) }),
      };
    },
  };
}

async function ended(ending: Promise<unknown> | undefined): Promise<IteratorReturnResult<undefined>> {
  await ending;
  return { done: true, value: undefined };
}
