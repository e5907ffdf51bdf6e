import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";

/** How much of a request is still read once it is answered, in bytes: a message that is not much longer than is usual. */
const maxRestBytes = 5 * 1024 * 1024;
/** How long that may take in all, in milliseconds. */
export const maxRestMs = 1_000;
/** How long it may take until the next bytes come, in milliseconds. */
const maxIdleMs = 100;

/** A request that may be answered before it was read to its end. */
export interface AnswerableRequest {
  readonly incoming: UniversalServerRequest;
  /** Lets the answer end when the rest of the request was read and thrown away. */
  readRestBeforeEnd(outgoing: UniversalServerResponse): UniversalServerResponse;
}

/**
 * Reads a request for Connect. One that is too large, or of no interest, is answered while it is still coming in; if the
 * answer ended with nobody reading on, workerd would break the connection, and the answer would be lost on a caller who
 * is busy sending.
 */
export function readRequest(request: Request): AnswerableRequest {
  const reader = request.body?.getReader();
  let ended = reader === undefined;
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    const chunk = await reader?.read();
    if (chunk?.value === undefined) {
      ended = true;
      return { done: true, value: undefined };
    }
    return { done: false, value: chunk.value };
  };

  async function readRest() {
    const until = performance.now() + maxRestMs;
    for (let left = maxRestBytes; !ended && left > 0 && performance.now() < until; ) {
      const chunk = await soon(next(), maxIdleMs);
      if (chunk === undefined || chunk.done) {
        return;
      }
      left -= chunk.value.byteLength;
    }
  }

  return {
    incoming: {
      // Workers do not tell it. Whether both directions can flow at once is for the caller to know.
      httpVersion: "2",
      method: request.method,
      url: request.url,
      header: request.headers,
      signal: request.signal,
      body: { [Symbol.asyncIterator]: () => ({ next }) },
    },
    readRestBeforeEnd: (outgoing) => (ended ? outgoing : { ...outgoing, body: followedBy(outgoing.body, readRest) }),
  };
}

/** Not a generator: one that is ended before it has started would not end what it reads from. */
function followedBy(body: UniversalServerResponse["body"], last: () => Promise<void>): AsyncIterable<Uint8Array> {
  const iterator = body?.[Symbol.asyncIterator]();
  const fail = iterator?.throw?.bind(iterator);
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const result = (await iterator?.next()) ?? { done: true, value: undefined };
        if (result.done === true) {
          await last();
        }
        return result;
      },
      ...(fail && { throw: fail }),
    }),
  };
}

/** Waits for something, but not for long; then, and if it fails, it is `undefined`. */
export async function soon<T>(promise: Promise<T>, maxMs: number): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, maxMs, undefined);
  try {
    return await Promise.race([promise.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}
