import { within } from "../base/async/within.ts";

/** Largest body that is read in one piece, in bytes. Larger ones come in pieces anyway. */
const maxWholeBytes = 64 * 1024;
/** Bytes of a request that are still read once it has its response: a message that is not much longer than is usual. */
const maxRestBytes = 5 * 1024 * 1024;
/** Milliseconds that this may take in all. */
const maxRestMs = 1_000;
/** Milliseconds until the next bytes must have come. */
const maxIdleMs = 100;

/**
 * The body of a request, which may have its response before it was read to its end: one that is too large, or of no
 * interest. If the response ended without the rest being read, workerd would break the connection, and the response would
 * be lost on a caller that is busy sending.
 */
export interface RequestBody {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Reads it in one piece, if it is small: web streams cost more than all else in a small call. */
  readonly whole?: () => Promise<Uint8Array>;
  /** True if there may be something left to read. */
  unread(): boolean;
  /** Leaves a body that was not read to another handler. */
  release(): void;
  /** Reads what is left and throws it away, within limits. */
  readRest(): Promise<void>;
}

/** Connect's own types of unary calls, see https://connectrpc.com/docs/protocol. Those of gRPC-Web do not tell. */
const unary = /^application\/(?:json|proto)(?:;|$)/i;

/** Reads the body of a request when it is asked for, as a call can be refused before. */
export function requestBody(request: Request): RequestBody {
  return isSmallUnary(request) ? wholeBody(request) : streamedBody(request);
}

function isSmallUnary({ method, headers }: Request): boolean {
  return (
    method === "GET" ||
    (Number(headers.get("Content-Length") ?? Number.NaN) <= maxWholeBytes &&
      unary.test(headers.get("Content-Type") ?? ""))
  );
}

function wholeBody(request: Request): RequestBody {
  // allowed unbounded: it is small by its Content-Length; the call refuses what is over its own limit.
  const whole = async () => new Uint8Array(await request.arrayBuffer());
  const unread = () => !request.bodyUsed && request.body !== null;
  async function next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return unread() ? { done: false, value: await whole() } : { done: true, value: undefined };
  }
  return {
    chunks: { [Symbol.asyncIterator]: () => ({ next }) },
    whole,
    unread,
    release: () => undefined,
    async readRest() {
      await within(maxRestMs, whole()).catch(() => false);
    },
  };
}

function streamedBody(request: Request): RequestBody {
  // At once: workerd gives up a body that has no reader when the response begins.
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
  return {
    chunks: { [Symbol.asyncIterator]: () => ({ next }) },
    unread: () => !ended,
    release: () => reader?.releaseLock(),
    async readRest() {
      let left = maxRestBytes;
      const take = async () => {
        const { value } = await next();
        left -= value?.byteLength ?? 0;
      };
      for (const until = performance.now() + maxRestMs; !ended && left > 0 && performance.now() < until; ) {
        const came = await within(maxIdleMs, take()).catch(() => false);
        if (!came) {
          return;
        }
      }
    },
  };
}
