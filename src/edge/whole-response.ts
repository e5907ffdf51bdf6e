import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { HttpCallHandler } from "../http/handlers.ts";
import { maxRestMs, soon } from "./adapter.ts";

/** Largest body that is read in one piece, in bytes. Larger ones come in pieces anyway. */
const maxWholeBytes = 64 * 1024;

/** Whether a request is a unary call over Connect and says that it is small. */
export function isSmallUnary({ method, body, headers }: Request): boolean {
  if (method === "GET") {
    return true;
  }
  const length = body === null ? 0 : Number(headers.get("Content-Length") ?? Number.NaN);
  return length <= maxWholeBytes && unary.test(headers.get("Content-Type") ?? "");
}

/** Connect's own types of unary calls, see https://connectrpc.com/docs/protocol. Those of gRPC-Web do not tell. */
const unary = /^application\/(?:json|proto)(?:;|$)/i;

/** Answers such a call with bodies in one piece. Web streams cost more than all else in a small call. */
export async function answerWhole(request: Request, handle: HttpCallHandler): Promise<Response> {
  const { status, header, body } = await handle(requestInOnePiece(request));
  const bytes = body === undefined ? null : await inOnePiece(body);
  if (!request.bodyUsed) {
    // Refused before it was read. workerd breaks connections on which somebody is still sending.
    // allowed unbounded: Workers bound what a request may hold, and nothing keeps it.
    await soon(request.arrayBuffer(), maxRestMs);
  }
  return new Response(bytes, { status, ...(header && { headers: header }) });
}

function requestInOnePiece(request: Request): UniversalServerRequest {
  // Read when it is asked for, as a call can be refused before.
  async function next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return request.bodyUsed || request.body === null
      ? { done: true, value: undefined }
      : // allowed unbounded: Workers bound what a request may hold; the call refuses what is over its own limit.
        { done: false, value: new Uint8Array(await request.arrayBuffer()) };
  }
  return {
    // Workers do not tell it. Whether both directions can flow at once is for the caller to know.
    httpVersion: "2",
    method: request.method,
    url: request.url,
    header: request.headers,
    signal: request.signal,
    body: { [Symbol.asyncIterator]: () => ({ next }) },
  };
}

async function inOnePiece(body: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  // allowed unbounded: the plugin's own response.
  for await (const piece of body) {
    pieces.push(piece);
    length += piece.byteLength;
  }
  const whole = new Uint8Array(length);
  let position = 0;
  for (const piece of pieces) {
    whole.set(piece, position);
    position += piece.byteLength;
  }
  return whole;
}
