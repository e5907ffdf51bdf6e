import type { Interceptor } from "@connectrpc/connect";
import { explainErrors } from "../node/explain-errors.ts";
import { isPlugboardError } from "../plugin/errors.ts";
import { untilAborted } from "../plugin/until-aborted.ts";

/** How long the end of a process may take to be noticed after its connections broke, in milliseconds. */
const noticeMs = 1_000;

/**
 * Tells callers whose connection broke that the plugin's process has ended, if it has: that says more.
 * @param exited What to tell them, once the process has ended.
 */
export function tellExit(exited: Promise<Error>): Interceptor {
  return explainErrors(async (error, signal) => {
    if (!isPlugboardError(error, "PB-CONNECTION-LOST")) {
      return error;
    }
    return untilAborted(AbortSignal.any([signal, AbortSignal.timeout(noticeMs)]), exited).catch(() => error);
  });
}
