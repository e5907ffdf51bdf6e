import { create, toBinary } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";

/**
 * Largest message, in bytes, that travels in a URL. As base64 it makes 4 KiB, which browsers, proxies and servers all
 * take; a longer one is refused by some (Node takes 16 KiB for all headers together).
 */
const maxGetBytes = 3 * 1024;

/**
 * Sends side-effect-free calls by GET, which can be cached, unless their message is too long for a URL, or the server has said
 * that it takes no GET.
 */
export function getWhenShort(get: Transport, post: Transport): Transport {
  let takesGet = true;
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const short =
        takesGet &&
        method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS &&
        toBinary(method.input, create(method.input, input)).byteLength <= maxGetBytes;
      if (short) {
        try {
          return await get.unary(method, signal, timeoutMs, header, input, contextValues);
        } catch (error) {
          // Connect's words for a response that is not one of its own: not every server of Connect knows GET.
          if (ConnectError.from(error).rawMessage !== "HTTP 405") {
            throw error;
          }
          takesGet = false;
        }
      }
      return post.unary(method, signal, timeoutMs, header, input, contextValues);
    },
    stream: post.stream,
  };
}
