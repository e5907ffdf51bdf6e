import type * as http from "node:http";

/**
 * Lets a request over HTTP/1.1 have its response before it was read to its end: one that is too large, or of no
 * interest. Node would break the connection when its reader stops, which can cost the response, or leave the rest where
 * it is, which blocks the connection for the requests that follow. Here the rest is read and thrown away.
 * @param timeoutMs Milliseconds that the caller may go on sending after the response.
 */
export function allowEarlyResponse(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  timeoutMs: number,
): void {
  Object.assign(request, { [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) });
  response.once("finish", () => {
    if (request.readableEnded || request.destroyed) {
      return;
    }
    const { socket } = request;
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    request.once("close", () => clearTimeout(timer));
    // A reader that waits for more would keep it from flowing; Node takes notice in the next turn.
    request.removeAllListeners("readable");
    process.nextTick(() => request.resume());
  });
}
