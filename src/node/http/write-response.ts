import type * as http from "node:http";
import * as http2 from "node:http2";
import { setDeadlineTimer } from "../../base/async/within.ts";
import type { Log } from "../../base/log.ts";
import { fitTrailers } from "../../http/fit-trailers.ts";
import type { HttpResponse } from "../../http/request-handler.ts";

/** A response of either version of HTTP. */
export type NodeResponse = http.ServerResponse | http2.Http2ServerResponse;

/** Options for sending a response. */
export interface WriteOptions {
  /** Milliseconds that the caller may take nothing of it; then it is broken off. Default: for ever. */
  readonly idleTimeoutMs: number | undefined;
  /** Bytes that its trailers may have, as HTTP/2 counts them. */
  readonly maxFieldBytes: () => number;
  /** Is told what is left out of the trailers. */
  readonly log: Log;
}

/**
 * Sends a response. Its body ends early when the caller has gone: Node tells of no room in a stream that is closed in the
 * same turn that has made it.
 * @returns Settles when all of it was handed to Node; rejects if something in it can't be sent.
 */
export async function writeResponse(
  outgoing: HttpResponse,
  response: NodeResponse,
  options: WriteOptions,
): Promise<void> {
  const { idleTimeoutMs } = options;
  const { body } = outgoing;
  const iterator = body instanceof Uint8Array ? undefined : body?.[Symbol.asyncIterator]();
  let closed = isClosed(response);
  let stalled: ReturnType<typeof setTimeout> | undefined;
  let resume: (() => void) | undefined;
  const leave = () => {
    closed = true;
    clearTimeout(stalled);
    resume?.();
    iterator?.return?.().catch(ignore);
  };
  if (closed) {
    leave();
    return;
  }
  response.once("close", leave);
  const expectTaken = () => {
    if (idleTimeoutMs !== undefined && !closed) {
      stalled = setDeadlineTimer(() => breakOff(response), idleTimeoutMs);
    }
  };
  try {
    if (iterator !== undefined) {
      // The header leaves with the first message, as until then a handler may add to it.
      for (let begun = false; ; begun = true) {
        const result = await iterator.next();
        if (closed) {
          return;
        }
        if (!begun) {
          setHead(outgoing, response);
          // Both kinds of response have it; their types differ in what it returns.
          (response as http.ServerResponse).writeHead(outgoing.status);
        }
        if (result.done === true) {
          break;
        }
        if (!(response as http.ServerResponse).write(result.value)) {
          const drained = new Promise<void>((resolve) => {
            resume = resolve;
          });
          response.once("drain", () => resume?.());
          expectTaken();
          await drained;
          clearTimeout(stalled);
        }
      }
    } else {
      // Not written yet: in HTTP/2 the header then ends the stream, without which gRPC takes its status for no trailer.
      setHead(outgoing, response);
    }
    const { trailer } = outgoing;
    if (trailer !== undefined) {
      fitTrailers(trailer, options.maxFieldBytes(), options.log);
      response.addTrailers(Object.fromEntries(trailer));
    }
    if (body instanceof Uint8Array) {
      response.end(body);
    } else {
      response.end();
    }
    expectTaken();
  } catch (error) {
    // The handler is told that its response can't be sent.
    iterator?.throw?.(error).catch(ignore);
    throw error;
  }
}

function setHead({ status, fields, header, contentType }: HttpResponse, response: NodeResponse) {
  for (const [name, value] of fields) {
    response.setHeader(name, value);
  }
  if (contentType !== undefined) {
    response.setHeader("Content-Type", contentType);
  }
  header?.forEach((value, name) => {
    // Of these each is a field of its own (RFC 6265, section 3).
    response.setHeader(name, name === "set-cookie" ? header.getSetCookie() : value);
  });
  response.statusCode = status;
}

/** Begins again with a response whose header can't be sent. */
export function clearHead(response: NodeResponse): void {
  for (const name of response.getHeaderNames()) {
    response.removeHeader(name);
  }
  if (!("stream" in response)) {
    response.statusMessage = "";
  }
}

function isClosed(response: NodeResponse): boolean {
  return "stream" in response ? response.stream.destroyed : response.destroyed;
}

function breakOff(response: NodeResponse) {
  if ("stream" in response) {
    // Not as if it were complete.
    response.stream.close(http2.constants.NGHTTP2_CANCEL);
  } else {
    response.destroy();
  }
}

function ignore() {
  // The call's own caller has gone.
}
