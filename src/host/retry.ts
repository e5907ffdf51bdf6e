import { setTimeout } from "node:timers/promises";
import { handleWhen, retry } from "cockatiel";
import { isPlugboardError } from "../base/errors.ts";
import { log } from "../base/log.ts";
import type { HostSettings } from "../go-plugin/settings/read.ts";
import { mayPass } from "./is-transient.ts";

/** How often and how long to repeat. */
interface RepeatOptions {
  readonly settings: Pick<
    HostSettings,
    | "PLUGIN_CLIENT_MAX_RETRIES"
    | "PLUGIN_CLIENT_INITIAL_BACKOFF_MS"
    | "PLUGIN_CLIENT_MAX_BACKOFF_MS"
    | "PLUGIN_CLIENT_RETRY_JITTER_MS"
    | "PLUGIN_CLIENT_RETRY_TOTAL_TIMEOUT_S"
  >;
  /** When the first attempt began, by performance.now(). */
  readonly startedAt: number;
  /** Ends the waiting between attempts. */
  readonly signal: AbortSignal;
}

/**
 * Repeats what has failed with an error that may pass, until it succeeds, fails for good or was tried often enough; then
 * the last error is thrown.
 */
export async function repeat<T>(attempt: () => Promise<T>, firstError: unknown, options: RepeatOptions): Promise<T> {
  const { settings, startedAt, signal } = options;
  const { PLUGIN_CLIENT_MAX_RETRIES: maxAttempts } = settings;
  const deadline = startedAt + settings.PLUGIN_CLIENT_RETRY_TOTAL_TIMEOUT_S * 1000;
  let waitMs = 0;
  let retries = 0;
  const policy = retry(
    handleWhen((error) => {
      waitMs = backoffMs(settings, retries);
      retries += 1;
      return mayPass(error) && !signal.aborted && performance.now() + waitMs < deadline;
    }),
    // Without a backoff: the policy's own waiting can't be given up, and its timer would outlive the host.
    { maxAttempts },
  );
  policy.onRetry((reason) => {
    const told = "error" in reason ? firstLine(reason.error) : "it failed";
    log("WARNING", `${told}; retry ${retries} of ${maxAttempts} in ${Math.round(waitMs)} ms`);
  });
  return await policy.execute(async ({ attempt: retried }) => {
    if (retried === 0) {
      // The first attempt was made before the policy was loaded.
      throw firstError;
    }
    await setTimeout(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    return await attempt();
  });
}

/** Doubles from retry to retry up to the maximum; some chance keeps hosts that failed together from coming together. */
function backoffMs(settings: RepeatOptions["settings"], retries: number): number {
  const doubled = settings.PLUGIN_CLIENT_INITIAL_BACKOFF_MS * 2 ** retries;
  return (
    Math.min(doubled, settings.PLUGIN_CLIENT_MAX_BACKOFF_MS) + Math.random() * settings.PLUGIN_CLIENT_RETRY_JITTER_MS
  );
}

function firstLine(error: unknown): string {
  const message = isPlugboardError(error) ? error.rawMessage : String(error);
  return message.split(/[;\n]/, 1)[0] ?? message;
}
