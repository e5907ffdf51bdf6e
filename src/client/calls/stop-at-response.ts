import type { Interceptor } from "@connectrpc/connect";
import { endIterator, forwardIterator } from "../../base/iterables.ts";

/**
 * Ends a stream of requests once its only response is there. What the caller would send then is for nobody; over HTTP/1.1 it
 * could cost the answer, as servers break a connection on which somebody sends on and on.
 */
export const stopAtResponse: Interceptor = (next) => async (request) => {
  if (!request.stream || request.method.methodKind !== "client_streaming") {
    return next(request);
  }
  const requests = stoppable(request.message);
  const response = await next({ ...request, message: requests.messages });
  return response.stream ? { ...response, message: stopping(response.message, requests.stop) } : response;
};

/** What hands messages on until it is stopped, which it is also while it waits for one. */
function stoppable<T>(source: AsyncIterable<T>) {
  const done = { done: true, value: undefined } as const;
  let iterator: AsyncIterator<T> | undefined;
  let stopped = false;
  let stopWaiting: (() => void) | undefined;
  const messages = forwardIterator<T>(source, (opened) => {
    iterator = opened;
    return () =>
      stopped
        ? Promise.resolve(done)
        : new Promise<IteratorResult<T>>((resolve, reject) => {
            stopWaiting = () => resolve(done);
            opened.next().then(resolve, reject);
          });
  });
  return {
    messages,
    stop() {
      stopped = true;
      stopWaiting?.();
      endIterator(iterator);
    },
  };
}

async function* stopping<T>(messages: AsyncIterable<T>, stop: () => void): AsyncGenerator<T> {
  for await (const message of messages) {
    stop();
    yield message;
  }
}
