import type { Interceptor } from "@connectrpc/connect";
import { endIterator, forwardIterator } from "../../base/async/iterables.ts";

/**
 * Ends a stream of requests once its only response is there. Further messages would not be read; over HTTP/1.1 they
 * could cost the response, as servers break a connection on which a caller sends on and on.
 */
export const stopAtResponse: Interceptor = (next) => async (request) => {
  if (!request.stream || request.method.methodKind !== "client_streaming") {
    return next(request);
  }
  const requests = stoppable(request.message);
  const response = await next({ ...request, message: requests.messages });
  return response.stream ? { ...response, message: stopping(response.message, requests.stop) } : response;
};

/** An iterable that hands messages on until it is stopped, also while it waits for one. */
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
