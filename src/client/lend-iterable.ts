/** A caller's messages, lent to one attempt at a time. */
export interface LentIterable<T> {
  readonly iterable: AsyncIterable<T>;
  /** Ends the caller's iterator, if no attempt has. */
  giveBack(reason: unknown): Promise<void>;
}

/**
 * Lends a caller's messages to a transport that may give up before it has read any. Connect's transports end the
 * iterator when they fail; a lent one stays whole until its first message was taken, so that the next route can have it.
 */
export function lendIterable<T>(source: AsyncIterable<T>): LentIterable<T> {
  let iterator: AsyncIterator<T> | undefined;
  let ended = false;
  const open = () => {
    iterator ??= source[Symbol.asyncIterator]();
    return iterator;
  };
  const lent: AsyncIterator<T> = {
    next: () => open().next(),
    async return(value?: unknown) {
      if (iterator !== undefined && !ended) {
        ended = true;
        await iterator.return?.(value);
      }
      return { done: true, value: undefined };
    },
    async throw(reason?: unknown) {
      if (iterator !== undefined && !ended) {
        ended = true;
        // An iterator that nobody can throw into is at least closed.
        await (iterator.throw?.(reason) ?? iterator.return?.());
      }
      return { done: true, value: undefined };
    },
  };
  return {
    iterable: { [Symbol.asyncIterator]: () => lent },
    async giveBack(reason) {
      if (!ended) {
        ended = true;
        const it = open();
        await Promise.resolve(it.throw?.(reason) ?? it.return?.()).catch(() => undefined);
      }
    },
  };
}
