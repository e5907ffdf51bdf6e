import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import type { Address } from "../../address/endpoint.ts";
import type { Runtime } from "../../address/runtime.ts";
import { collect } from "../../base/chunks.ts";
import { dialFailed } from "./dialer.ts";
import { connectFailure } from "./failures/connect-failure.ts";
import { connectionLost } from "./failures/connection-lost.ts";

/** The way to send a request body: whole, or chunk by chunk while the response may already come in. */
export type BodyMode = "whole" | "streamed";

/** The part of fetch that is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * An HTTP client for Connect's transports, made of fetch. Unlike Connect's own it sends bodies that are known as a
 * whole as such (browsers can't stream any), and copes with responses that the runtime has already decompressed.
 */
export function createFetchClient(fetch: Fetch, body: BodyMode, runtime: Runtime, address: Address): UniversalClientFn {
  return async (request) => {
    const failing = new AbortController();
    const signals = request.signal ? [request.signal, failing.signal] : [failing.signal];
    const init: RequestInit & { duplex?: "half" } = {
      method: request.method,
      headers: runtime === "browser" ? withoutUserAgent(request.header) : request.header,
      // A redirect could carry metadata to another host. Workers know no "error"; there, the response is a 3xx status.
      redirect: runtime === "workerd" ? "manual" : "error",
      signal: AbortSignal.any(signals),
    };
    if (request.body !== undefined) {
      if (body === "whole") {
        init.body = await collect(request.body);
      } else {
        // A failed stream alone would not do: workerd passes it on as one that has ended well.
        init.body = toStream(request.body, (error) => failing.abort(error));
        init.duplex = "half";
      }
    }
    let response: Response;
    try {
      response = await fetch(request.url, init);
    } catch (error) {
      init.signal?.throwIfAborted();
      const cause = connectFailure(error);
      throw cause === undefined ? (connectionLost(address, error) ?? error) : dialFailed(address, cause);
    }
    return {
      status: response.status,
      header: decodedHeaders(response.headers),
      body: fromStream(response.body, address),
      trailer: new Headers(),
    };
  };
}

/**
 * A browser says itself what it is. Some would ask the server, before each call, whether a page may say it, too; and it
 * may not.
 */
function withoutUserAgent(headers: Headers): Headers {
  const own = new Headers(headers);
  own.delete("User-Agent");
  return own;
}

function toStream(chunks: AsyncIterable<Uint8Array>, onError: (error: unknown) => void): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await iterator.next();
          if (done === true) {
            controller.close();
          } else {
            controller.enqueue(value);
          }
        } catch (error) {
          onError(error);
          throw error;
        }
      },
      async cancel(reason) {
        await iterator.throw?.(reason).catch(() => undefined);
      },
    },
    // Nothing is taken from the caller before the runtime asks for it.
    { highWaterMark: 0 },
  );
}

async function* fromStream(stream: ReadableStream<Uint8Array> | null, address: Address): AsyncGenerator<Uint8Array> {
  if (stream === null) {
    return;
  }
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } catch (error) {
    ended = true;
    throw connectionLost(address, error) ?? error;
  } finally {
    if (!ended) {
      await reader.cancel().catch(() => undefined);
    }
  }
}

/** fetch decodes bodies but keeps the headers that described the encoded one. */
function decodedHeaders(headers: Headers): Headers {
  if (!headers.has("content-encoding")) {
    return headers;
  }
  const decoded = new Headers(headers);
  decoded.delete("content-encoding");
  decoded.delete("content-length");
  return decoded;
}
