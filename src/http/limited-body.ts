import { Code, ConnectError } from "@connectrpc/connect";
import { setDeadlineTimer } from "../base/async/within.ts";
import { nothingSent } from "../call/time/idle-timer.ts";
import type { Boundaries } from "./envelope-boundaries.ts";
import { gatherChunks } from "./envelope-boundaries.ts";

/** Limits of a request body. */
export interface BodyLimits {
  /** In bytes. Default: any number. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds that the next bytes may take. Default: for ever. */
  readonly idleTimeoutMs?: number | undefined;
  /** Gathers its chunks: no more of them come of it, however small the body's own chunks are. */
  readonly boundaries: Boundaries;
  /** Called with the length of each chunk. */
  readonly onBytes: (byteLength: number) => void;
}

/** A request's body that ends with an error once it is too long or comes too slowly, or when it is told to. */
export interface LimitedBody extends AsyncIterableIterator<Uint8Array> {
  /** Fails the reader with this error, now or when it reads on. */
  fail(error: ConnectError): void;
}

/** Limits a request's body. */
export function limitBody(body: AsyncIterable<Uint8Array>, limits: BodyLimits): LimitedBody {
  const { maxBytes, idleTimeoutMs, boundaries, onBytes } = limits;
  const iterator = body[Symbol.asyncIterator]();
  const gathered = gatherChunks(boundaries);
  let received = 0;
  let failure: ConnectError | undefined;
  let rejectRead: ((error: ConnectError) => void) | undefined;

  function fail(error: ConnectError) {
    failure ??= error;
    rejectRead?.(failure);
  }

  /** Waits for the next chunk, but not for longer than until the body has failed. */
  function read(): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve, reject) => {
      rejectRead = reject;
      iterator.next().then(resolve, reject);
    });
  }

  /** Reads the next chunk, within the limits. */
  async function readLimited(): Promise<IteratorResult<Uint8Array>> {
    if (failure !== undefined) {
      throw failure;
    }
    const timer =
      idleTimeoutMs === undefined ? undefined : setDeadlineTimer(() => fail(nothingSent(idleTimeoutMs)), idleTimeoutMs);
    try {
      const result = await read();
      if (result.done !== true) {
        received += result.value.byteLength;
        onBytes(result.value.byteLength);
        if (maxBytes !== undefined && received > maxBytes) {
          failure = bodyTooLong(maxBytes);
          throw failure;
        }
      }
      return result;
    } finally {
      clearTimeout(timer);
    }
  }

  const limited: LimitedBody = {
    async next() {
      for (;;) {
        const result = await readLimited();
        const value = result.done === true ? gathered.rest() : gathered.add(result.value);
        if (value !== undefined) {
          return { done: false, value };
        }
        if (result.done === true) {
          return result;
        }
      }
    },
    async return() {
      await iterator.return?.();
      return { done: true, value: undefined };
    },
    fail,
    [Symbol.asyncIterator]: () => limited,
  };
  return limited;
}

/** The refusal of a request whose body has more bytes. */
export function bodyTooLong(maxBytes: number): ConnectError {
  return new ConnectError(`the request's body is longer than ${maxBytes} bytes`, Code.ResourceExhausted);
}
