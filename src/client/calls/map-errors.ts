import type { Interceptor } from "@connectrpc/connect";

/**
 * Replaces the errors that calls fail with, of all kinds of method. Those of calls that their caller has ended, by
 * cancellation or deadline, stay as they are.
 */
export function mapErrors(explain: (error: unknown, signal: AbortSignal) => unknown): Interceptor {
  return (next) => async (request) => {
    const { signal } = request;
    const explained = async (error: unknown) => (signal.aborted ? error : await explain(error, signal));
    async function* explainedMessages<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
      try {
        yield* messages;
      } catch (error) {
        throw await explained(error);
      }
    }
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: explainedMessages(response.message) } : response;
    } catch (error) {
      throw await explained(error);
    }
  };
}
