import { Code, ConnectError } from "@connectrpc/connect";
import type { CallResponse } from "./wire/carrier.ts";

// grpc-web-text: gRPC-Web in base64, as a request's text in one piece or in several that are each padded, and with each
// piece of the response padded, so that it can be read when it comes. See
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md. The base64 goes while it is read: limits are those of the
// bytes that it stands for, and no text is kept.

type Body = AsyncIterable<Uint8Array>;

const grpcWeb = /^application\/grpc-web/i;
const text = /^application\/grpc-web-text(?![\w-])/i;

/**
 * True if the response to a call of gRPC-Web is to be text: `Accept` names it, or names no kind of gRPC-Web and the
 * request is text.
 */
export function wantsText(accept: string | null, isText: boolean): boolean {
  const kinds = accept?.split(",").map((kind) => kind.trim()) ?? [];
  const named = kinds.filter((kind) => grpcWeb.test(kind));
  return named.length === 0 ? isText : named.some((kind) => text.test(kind));
}

/** Bytes that so many characters stand for at least, if they are one text. */
export function leastBytesOf(characters: number): number {
  return Math.max(0, Math.floor(characters / 4) * 3 - 2);
}

/** A response of gRPC-Web as text. */
export function encodeText({ header, contentType, body, ...response }: CallResponse): CallResponse {
  const type = (contentType ?? "").replace(grpcWeb, "application/grpc-web-text");
  header?.set("Content-Type", type);
  return {
    ...response,
    header,
    contentType: type,
    body: body === undefined || body instanceof Uint8Array ? body && encode(body) : encodeBody(body),
  };
}

/** Not a generator: one that is ended before it has started would not end what it reads from. */
function encodeBody(body: Body): Body {
  const iterator = body[Symbol.asyncIterator]();
  const over = { done: true, value: undefined } as const;
  const encoded = (result: IteratorResult<Uint8Array>) =>
    result.done === true ? result : { done: false, value: encode(result.value) };
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => encoded(await iterator.next()),
      return: async () => (await iterator.return?.()) ?? over,
      throw: async (error: unknown) => (await iterator.throw?.(error)) ?? (await iterator.return?.()) ?? over,
    }),
  };
}

/** The bytes of a request that is text. */
export function decodeText(body: Body): Body {
  const iterator = body[Symbol.asyncIterator]();
  const decoder = createDecoder();
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const result = await iterator.next();
        if (result.done !== true) {
          return { done: false, value: decoder.add(result.value) };
        }
        decoder.end();
        return result;
      },
      return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
    }),
  };
}

const alphabet = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const padding = "=".charCodeAt(0);

/** The value of each character, by its code; of others `none`. */
const none = 64;
const values = new Uint8Array(256).fill(none);
alphabet.forEach((code, value) => {
  values[code] = value;
});

/** Base64 with padding (RFC 4648). */
function encode(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const encoded = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  const digit = (three: number, shift: number) => alphabet[(three >> shift) & 63] ?? 0;
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    const three = ((bytes[from] ?? 0) << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0);
    encoded[to] = digit(three, 18);
    encoded[to + 1] = digit(three, 12);
    encoded[to + 2] = from + 1 < bytes.length ? digit(three, 6) : padding;
    encoded[to + 3] = from + 2 < bytes.length ? digit(three, 0) : padding;
  }
  return encoded;
}

/** Decodes base64 that comes in pieces, split anywhere. */
function createDecoder() {
  /** The characters of an unfinished four, and what they stand for. */
  let count = 0;
  let bits = 0;
  let padded = 0;

  function add(characters: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(Math.ceil((characters.length + 3) / 4) * 3);
    let length = 0;
    for (const character of characters) {
      const value = values[character] ?? none;
      if (character === padding && count >= 2) {
        padded++;
        bits <<= 6;
      } else if (value !== none && padded === 0) {
        bits = (bits << 6) | value;
      } else {
        throw malformed();
      }
      count++;
      if (count === 4) {
        bytes[length] = bits >> 16;
        bytes[length + 1] = bits >> 8;
        bytes[length + 2] = bits;
        length += 3 - padded;
        count = 0;
        bits = 0;
        padded = 0;
      }
    }
    return bytes.subarray(0, length);
  }

  function end() {
    if (count !== 0) {
      throw malformed();
    }
  }

  return { add, end };
}

function malformed(): ConnectError {
  return new ConnectError("the request's body is not padded base64, as grpc-web-text requires", Code.InvalidArgument);
}
