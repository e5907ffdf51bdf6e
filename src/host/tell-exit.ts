import type { Transport } from "@connectrpc/connect";
import { isPlugboardError } from "../plugin/errors.ts";
import { untilAborted } from "../plugin/until-aborted.ts";

/** How long the end of a process may take to be noticed after its connections broke, in milliseconds. */
const noticeMs = 1_000;

/**
 * Tells callers whose connection broke that the plugin's process has ended, if it has: that says more.
 * @param exited What to tell them, once the process has ended.
 */
export function tellExit(transport: Transport, exited: Promise<Error>): Transport {
  const explain = async (error: unknown): Promise<never> => {
    throw isPlugboardError(error, "PB-CONNECTION-LOST")
      ? await untilAborted(AbortSignal.timeout(noticeMs), exited).catch(() => error)
      : error;
  };
  return {
    unary: (...call) => transport.unary(...call).catch(explain),
    async stream(...call) {
      const response = await transport.stream(...call).catch(explain);
      return { ...response, message: explainMessages(response.message, explain) };
    },
  };
}

function explainMessages<T>(
  messages: AsyncIterable<T>,
  explain: (error: unknown) => Promise<never>,
): AsyncIterableIterator<T> {
  const iterator = messages[Symbol.asyncIterator]();
  const explained: AsyncIterableIterator<T> = {
    next: () => iterator.next().catch(explain),
    async return(value?: unknown) {
      await iterator.return?.(value);
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => explained,
  };
  return explained;
}
