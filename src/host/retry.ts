import { setTimeout } from "node:timers/promises";
import { isPlugboardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { HostSettings } from "../go-plugin/settings/read.ts";
import { isTransient } from "./is-transient.ts";

/** Options for retries. */
interface RetryOptions {
  readonly settings: Pick<
    HostSettings,
    | "PLUGIN_CLIENT_MAX_RETRIES"
    | "PLUGIN_CLIENT_INITIAL_BACKOFF_MS"
    | "PLUGIN_CLIENT_MAX_BACKOFF_MS"
    | "PLUGIN_CLIENT_RETRY_JITTER_MS"
    | "PLUGIN_CLIENT_RETRY_TOTAL_TIMEOUT_S"
  >;
  /** The host's: is told of each retry. */
  readonly log: Log;
  /** When the first attempt began, by performance.now(). */
  readonly startedAt: number;
  /** Ends the waiting between attempts. */
  readonly signal: AbortSignal;
}

/**
 * Repeats what has failed with an error that may pass, until it succeeds, fails for good or was tried often enough; then
 * the last error is thrown.
 */
export async function retry<T>(attempt: () => Promise<T>, firstError: unknown, options: RetryOptions): Promise<T> {
  const { settings, log, startedAt, signal } = options;
  const { PLUGIN_CLIENT_MAX_RETRIES: maxRetries } = settings;
  const deadline = startedAt + settings.PLUGIN_CLIENT_RETRY_TOTAL_TIMEOUT_S * 1000;
  let lastError = firstError;
  for (let count = 1; count <= maxRetries && isTransient(lastError) && !signal.aborted; count += 1) {
    const waitMs = backoffMs(settings, count - 1);
    if (performance.now() + waitMs >= deadline) {
      break;
    }
    log.line("WARNING", `${firstLine(lastError)}; retry ${count} of ${maxRetries} in ${Math.round(waitMs)} ms`);
    await setTimeout(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    try {
      return await attempt();
    } catch (error) {
      lastError = error;
    }
  }
  throw lastError;
}

/** Doubles from retry to retry up to the maximum; some chance keeps hosts that failed together from coming together. */
function backoffMs(settings: RetryOptions["settings"], retries: number): number {
  const doubled = settings.PLUGIN_CLIENT_INITIAL_BACKOFF_MS * 2 ** retries;
  return (
    Math.min(doubled, settings.PLUGIN_CLIENT_MAX_BACKOFF_MS) + Math.random() * settings.PLUGIN_CLIENT_RETRY_JITTER_MS
  );
}

function firstLine(error: unknown): string {
  const message = isPlugboardError(error) ? error.rawMessage : String(error);
  return message.split(/[;\n]/, 1)[0] ?? message;
}
