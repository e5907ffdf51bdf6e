import type { Interceptor } from "@connectrpc/connect";

/**
 * Ends a stream of requests once its only response is there. What the caller would send then is for nobody; over HTTP/1.1 it
 * could cost the answer, as servers break a connection on which somebody sends on and on.
 */
export const stopWhenAnswered: Interceptor = (next) => async (request) => {
  if (!request.stream || request.method.methodKind !== "client_streaming") {
    return next(request);
  }
  const requests = stoppable(request.message);
  const response = await next({ ...request, message: requests.messages });
  return response.stream ? { ...response, message: stopping(response.message, requests.stop) } : response;
};

/** Not a generator: that would have whoever ends it wait for a message that the caller has yet to give. */
function stoppable<T>(messages: AsyncIterable<T>) {
  const iterator = messages[Symbol.asyncIterator]();
  const done = { done: true, value: undefined } as const;
  let stopped = false;
  let stopWaiting: (() => void) | undefined;
  const stoppableIterator: AsyncIterator<T> = {
    next: () =>
      stopped
        ? Promise.resolve(done)
        : new Promise((resolve, reject) => {
            stopWaiting = () => resolve(done);
            iterator.next().then(resolve, reject);
          }),
    ...(iterator.return && { return: async (value?: unknown) => (await iterator.return?.(value)) ?? done }),
    ...(iterator.throw && { throw: async (reason?: unknown) => (await iterator.throw?.(reason)) ?? done }),
  };
  return {
    messages: { [Symbol.asyncIterator]: () => stoppableIterator },
    stop() {
      stopped = true;
      stopWaiting?.();
      iterator.return?.().catch(() => undefined);
    },
  };
}

async function* stopping<T>(messages: AsyncIterable<T>, stop: () => void): AsyncGenerator<T> {
  for await (const message of messages) {
    stop();
    yield message;
  }
}
