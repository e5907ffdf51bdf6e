import type { Transport } from "@connectrpc/connect";
import { forwardIterator } from "../base/async/iterables.ts";
import { within } from "../base/async/within.ts";
import { isPlugboardError } from "../base/errors.ts";

/** Milliseconds until the end of a process must have been noticed after its connections broke. */
const noticeMs = 1_000;

/**
 * Tells callers whose connection broke that the plugin's process has ended, if it has: that says more.
 * @param exited Resolves with the callers' error, once the process has ended.
 * @param onLoss Runs when a connection broke.
 */
export function reportExit(transport: Transport, exited: Promise<Error>, onLoss?: () => void): Transport {
  const explain = async (error: unknown): Promise<never> => {
    if (!isPlugboardError(error, "PB-CONNECTION-LOST")) {
      throw error;
    }
    onLoss?.();
    let reason: unknown = error;
    const noticed = exited.then((exit) => {
      reason = exit;
    });
    await within(noticeMs, noticed);
    throw reason;
  };
  return {
    unary: (...call) => transport.unary(...call).catch(explain),
    async stream(...call) {
      const response = await transport.stream(...call).catch(explain);
      return {
        ...response,
        message: forwardIterator(response.message, (iterator) => () => iterator.next().catch(explain)),
      };
    },
  };
}
