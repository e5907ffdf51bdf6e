/**
 * An iterable that forwards another's messages, and to the other how its reader ends. Not a generator: ending that would wait for
 * a message that is yet to come.
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

/**
 * Ends a caller's iterator early. It may be busy, so this does not wait for it, and drops what it throws.
 * @param reason Passed to the iterator's `throw`, if it has one.
 */
export function endIterator(iterator: AsyncIterator<unknown> | undefined, reason?: unknown): void {
  const end = async () => {
    await (reason !== undefined && iterator?.throw ? iterator.throw(reason) : iterator?.return?.());
  };
  end().catch(() => undefined);
}

/**
 * An iterable that forwards another's messages, and runs something instead when its reader leaves them early. Not a generator:
 * ending that would wait for a message that is yet to come, and do nothing before the first was asked for.
 * @param leave Runs when the reader leaves, once; `return` waits for it. The source's own iterator is not ended otherwise.
 * @param onEnd Runs when the messages have ended by themselves, or have failed.
 */
export function onReturn<T>(
  source: AsyncIterable<T>,
  leave: (iterator: AsyncIterator<T>) => Promise<unknown>,
  onEnd?: () => void,
): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      let left: Promise<unknown> | undefined;
      return {
        // The source's own promise, where nothing is to be done at the end: one more costs each message.
        next: onEnd === undefined ? () => iterator.next() : () => tellEnd(iterator, onEnd),
        async return() {
          left ??= leave(iterator);
          await left;
          return { done: true, value: undefined };
        },
      };
    },
  };
}

async function tellEnd<T>(iterator: AsyncIterator<T>, onEnd: () => void): Promise<IteratorResult<T>> {
  try {
    const result = await iterator.next();
    if (result.done === true) {
      onEnd();
    }
    return result;
  } catch (error) {
    onEnd();
    throw error;
  }
}

/**
 * A caller's messages, whose iterator is ended once, however often that is asked for: Connect does so for an aborted call, beside
 * who reads it. One that can't be told by `throw` is at least closed. A class, so that a call makes no closures for it.
 */
export class EndedOnce<T> implements AsyncIterableIterator<T> {
  readonly #iterator: AsyncIterator<T>;
  #ended = false;

  constructor(source: AsyncIterable<T>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  next(): Promise<IteratorResult<T>> {
    return this.#iterator.next();
  }

  async return(value?: unknown): Promise<IteratorReturnResult<undefined>> {
    if (!this.#ended) {
      this.#ended = true;
      await this.#iterator.return?.(value);
    }
    return { done: true, value: undefined };
  }

  async throw(reason?: unknown): Promise<IteratorReturnResult<undefined>> {
    if (!this.#ended) {
      this.#ended = true;
      await (this.#iterator.throw?.(reason) ?? this.#iterator.return?.());
    }
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
