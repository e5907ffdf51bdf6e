import { untilAborted } from "../base/until-aborted.ts";

/**
 * Passes on the messages of a caller. Ends when the plugin is told to stop, so that a stream whose caller keeps it open for
 * further messages does not hold the stop up.
 * @param draining Aborted when the plugin is told to stop. Default: it never is.
 */
export async function* untilDraining<T>(messages: AsyncIterable<T>, draining?: AbortSignal): AsyncGenerator<T> {
  if (draining === undefined) {
    yield* messages;
    return;
  }
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const result = await untilAborted(draining, iterator.next());
      if (result.done === true) {
        return;
      }
      yield result.value;
    }
  } catch (error) {
    if (!draining.aborted) {
      throw error;
    }
  } finally {
    // It may be waiting for a message that never comes, so nobody waits for that.
    iterator.return?.().catch(() => undefined);
  }
}
