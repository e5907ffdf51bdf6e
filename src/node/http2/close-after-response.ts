import * as http2 from "node:http2";

/**
 * Closes a stream once its response is complete, whether or not the caller has more to send, as RFC 9113, section 8.1
 * has it. Node waits for the caller to end its request, so one that does not would keep the stream, and a drain, from
 * ending.
 */
export function closeAfterResponse(request: http2.Http2ServerRequest, { stream }: http2.Http2ServerResponse): void {
  // Not before the trailers, which Node itself sends on this event, and hands over only when it is through with it.
  stream.once("wantTrailers", () => setImmediate(close));
  // A response of headers alone has no trailers. One with a body has not left yet, unless it is short.
  stream.once("finish", () =>
    setImmediate(() => {
      if (stream.state.localClose === 1) {
        close();
      }
    }),
  );

  function close() {
    if (request.complete || stream.destroyed) {
      return;
    }
    stream.close(http2.constants.NGHTTP2_NO_ERROR);
    // Node keeps a stream until all that came is read, and its request pauses it while it is not read.
    stream.removeAllListeners("data");
    stream.resume();
  }
}
