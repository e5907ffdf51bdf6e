import { EndedOnce, endIterator } from "../../base/async/iterables.ts";

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
  let iterator: EndedOnce<T> | undefined;
  let kept = false;
  let givenBack = false;
  const open = () => {
    iterator ??= new EndedOnce(source);
    return iterator;
  };
  /** Ends it for an attempt, unless the next one can still have it. */
  const endForAttempt = async (end: (open: EndedOnce<T>) => Promise<unknown>) => {
    givenBack = true;
    if (kept || iterator !== undefined) {
      await end(open());
    }
    return { done: true, value: undefined } as const;
  };
  const forAttempt: AsyncIterator<T> = {
    next: () => open().next(),
    return: (value?: unknown) => endForAttempt((it) => it.return(value)),
    throw: (reason?: unknown) => endForAttempt((it) => it.throw(reason)),
  };
  return {
    replay: () => ({ [Symbol.asyncIterator]: () => forAttempt }),
    canReplay: () => iterator === undefined,
    keep() {
      kept = true;
      if (givenBack) {
        endIterator(open());
      }
    },
    endUnused(reason) {
      endIterator(open(), reason);
    },
  };
}
