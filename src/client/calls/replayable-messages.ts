/** A caller's messages, lent to one attempt of a call after the other. */
export interface Lender<T> {
  /** The messages for an attempt. */
  lend(): AsyncIterable<T>;
  /** False once an attempt has taken messages that nobody can give to the next. */
  canLendAgain(): boolean;
  /** No other attempt will be made. What the last one gave back untouched ends now. */
  keep(): void;
  /** Ends the caller's iterator, if no attempt has. Somebody may still be waiting for it, so nobody waits for this. */
  giveBack(reason: unknown): void;
}

/** Lends messages that are known as a whole, each time anew. */
export function lendMessages<T>(messages: readonly T[]): Lender<T> {
  return {
    async *lend() {
      yield* messages;
    },
    canLendAgain: () => true,
    keep() {},
    giveBack() {},
  };
}

/**
 * Lends a stream. Connect's transports end the caller's iterator when they fail; a lent one stays whole until its first
 * message was asked for, so that the next attempt can have it.
 */
export function lendStream<T>(source: AsyncIterable<T>): Lender<T> {
  let iterator: AsyncIterator<T> | undefined;
  let ended = false;
  let kept = false;
  let givenBack = false;
  const open = () => {
    iterator ??= source[Symbol.asyncIterator]();
    return iterator;
  };
  /** Ends the caller's iterator once; one that nobody can throw into is at least closed. */
  const end = async (close: (open: AsyncIterator<T>) => Promise<unknown> | undefined) => {
    if (!ended) {
      ended = true;
      await close(open());
    }
  };
  /** Ends it for an attempt, unless the next one can still have it. */
  const endLent = async (close: (open: AsyncIterator<T>) => Promise<unknown> | undefined) => {
    givenBack = true;
    if (kept || iterator !== undefined) {
      await end(close);
    }
    return { done: true, value: undefined } as const;
  };
  const lent: AsyncIterator<T> = {
    next: () => open().next(),
    return: (value?: unknown) => endLent((it) => it.return?.(value)),
    throw: (reason?: unknown) => endLent((it) => it.throw?.(reason) ?? it.return?.()),
  };
  return {
    lend: () => ({ [Symbol.asyncIterator]: () => lent }),
    canLendAgain: () => iterator === undefined,
    keep() {
      kept = true;
      if (givenBack) {
        end((it) => it.return?.()).catch(() => undefined);
      }
    },
    giveBack(reason) {
      end((it) => it.throw?.(reason) ?? it.return?.()).catch(() => undefined);
    },
  };
}
