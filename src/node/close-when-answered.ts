import * as http2 from "node:http2";

/**
 * Closes a stream once its answer is complete, whether or not the caller has more to say, as RFC 9113, section 8.1 has it. Node
 * waits for the caller to end its request, so one that does not would keep the stream, and a drain, from ending.
 */
export function closeWhenAnswered(request: http2.Http2ServerRequest, { stream }: http2.Http2ServerResponse): void {
  stream.once("wantTrailers", () => {
    if (!request.complete) {
      // Not before the trailers, which Node itself sends on this event, and hands over only when it is through with it.
      setImmediate(() => stream.close(http2.constants.NGHTTP2_NO_ERROR));
    }
  });
}
