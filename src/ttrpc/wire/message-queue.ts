import { headerBytes } from "./frame.ts";

/** The weight of a message: its whole frame, so that empty ones weigh something, too. */
export function weightOf(message: Uint8Array): number {
  return headerBytes + message.byteLength;
}

/** Messages of a stream that have come in and were not read yet. */
export interface MessageQueue {
  /** The weight of the messages that wait to be read. */
  readonly weight: number;
  /** True while a reader waits for a message. */
  readonly awaited: boolean;
  push(message: Uint8Array): void;
  /** There will be no more; after those that wait comes the error, if there is one. */
  end(error?: unknown): void;
  /** Fails the reader at once, even if messages wait. */
  fail(error: unknown): void;
  /** The next message; `undefined` at the end. Readers that wait get theirs in the order in which they came. */
  next(): Promise<Uint8Array | undefined>;
  /** The next message if it waits already; `undefined` otherwise, and at the end. */
  take(): Uint8Array | undefined;
}

/**
 * Makes a queue.
 * @param onRead Is told the weight of what the reader has taken.
 */
export function createMessageQueue(onRead: (weight: number) => void): MessageQueue {
  const messages: (Uint8Array | undefined)[] = [];
  /** Messages at the start of `messages` that were read, and are empty; taking them off one by one would cost time. */
  let read = 0;
  let weight = 0;
  let ended: { readonly error: unknown } | undefined;
  type Reader = PromiseWithResolvers<Uint8Array | undefined>;
  let reader: Reader | undefined;
  /** Those who wait behind the reader, which is rare. */
  const laterReaders: Reader[] = [];

  /** A waiting reader learns of the end at once; others when the queue is empty. */
  function settleReaders() {
    for (; reader !== undefined; reader = laterReaders.shift()) {
      if (ended?.error === undefined) {
        reader.resolve(undefined);
      } else {
        reader.reject(ended.error);
      }
    }
  }

  function take(): Uint8Array | undefined {
    const message = messages[read];
    if (message === undefined) {
      return undefined;
    }
    read += 1;
    if (read === messages.length) {
      messages.length = 0;
      read = 0;
    } else {
      // Only the slot is left of it.
      messages[read - 1] = undefined;
      if (read >= 1024 && 2 * read >= messages.length) {
        messages.splice(0, read);
        read = 0;
      }
    }
    weight -= weightOf(message);
    onRead(weightOf(message));
    return message;
  }

  return {
    get weight() {
      return weight;
    },
    get awaited() {
      return reader !== undefined;
    },
    push(message) {
      if (reader !== undefined) {
        const { resolve } = reader;
        reader = laterReaders.length === 0 ? undefined : laterReaders.shift();
        onRead(weightOf(message));
        resolve(message);
      } else {
        messages.push(message);
        weight += weightOf(message);
      }
    },
    end(error) {
      ended ??= { error };
      settleReaders();
    },
    fail(error) {
      ended = { error };
      messages.length = 0;
      read = 0;
      weight = 0;
      settleReaders();
    },
    next() {
      const message = take();
      if (message !== undefined) {
        return Promise.resolve(message);
      }
      if (ended !== undefined) {
        return ended.error === undefined ? Promise.resolve(undefined) : Promise.reject(ended.error);
      }
      const waiting: Reader = Promise.withResolvers();
      if (reader === undefined) {
        reader = waiting;
      } else {
        laterReaders.push(waiting);
      }
      return waiting.promise;
    },
    take,
  };
}
