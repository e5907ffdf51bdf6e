/** A caller's messages, for one attempt of a call after the other. */
export interface ReplayableMessages<T> {
  /** The messages for an attempt. */
  replay(): AsyncIterable<T>;
  /** False once an attempt has taken messages that the next can't have. */
  canReplay(): boolean;
  /** No other attempt will be made. What the last one gave back untouched ends now. */
  keep(): void;
  /** Ends the caller's iterator, if no attempt has, and doesn't wait for that: a reader may still be waiting for a message. */
  endUnused(reason: unknown): void;
}

/** Replays messages that are known as a whole. */
export function replayMessages<T>(messages: readonly T[]): ReplayableMessages<T> {
  return {
    async *replay() {
      yield* messages;
    },
    canReplay: () => true,
    keep() {},
    endUnused() {},
  };
}

/**
 * Replays a stream of which no message was read yet. Connect's transports end the caller's iterator when they fail; this keeps
 * it open until its first message was asked for, so that the next attempt can have it.
 */
export function replayStream<T>(source: AsyncIterable<T>): ReplayableMessages<T> {
  let iterator: AsyncIterator<T> | undefined;
  let ended = false;
  let kept = false;
  let givenBack = false;
  const open = () => {
    iterator ??= source[Symbol.asyncIterator]();
    return iterator;
  };
  /** Ends the caller's iterator once; one without `throw` is at least closed. */
  const end = async (close: (open: AsyncIterator<T>) => Promise<unknown> | undefined) => {
    if (!ended) {
      ended = true;
      await close(open());
    }
  };
  /** Ends it for an attempt, unless the next one can still have it. */
  const endForAttempt = async (close: (open: AsyncIterator<T>) => Promise<unknown> | undefined) => {
    givenBack = true;
    if (kept || iterator !== undefined) {
      await end(close);
    }
    return { done: true, value: undefined } as const;
  };
  const forAttempt: AsyncIterator<T> = {
    next: () => open().next(),
    return: (value?: unknown) => endForAttempt((it) => it.return?.(value)),
    throw: (reason?: unknown) => endForAttempt((it) => it.throw?.(reason) ?? it.return?.()),
  };
  return {
    replay: () => ({ [Symbol.asyncIterator]: () => forAttempt }),
    canReplay: () => iterator === undefined,
    keep() {
      kept = true;
      if (givenBack) {
        end((it) => it.return?.()).catch(() => undefined);
      }
    },
    endUnused(reason) {
      end((it) => it.throw?.(reason) ?? it.return?.()).catch(() => undefined);
    },
  };
}
