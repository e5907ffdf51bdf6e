import * as path from "node:path";
import { setDeadlineTimer } from "../base/async/within.ts";
import type { Log } from "../base/log.ts";

/**
 * Ends the process.
 * @param graceMs Milliseconds that calls in flight may take.
 * @param stopMs Milliseconds that the plugin's stop hook may take after that. Default: 2,000.
 */
type End = (graceMs: number, stopMs?: number) => void;

/** Options for the end of a plugin process. */
export interface LifetimeOptions {
  /** Milliseconds that calls in flight may take if a signal or the shutdown file ends it. */
  readonly gracePeriodMs: number;
  /** True if a host has started it. Ctrl-C reaches the whole process group; a host decides for its plugins itself. */
  readonly hosted: boolean;
  /** True if it ends with its stdin, which its host holds open. */
  readonly endsWithStdin: boolean;
  /** It ends when this file appears. */
  readonly shutdownFile: string | undefined;
  readonly log: Log;
  /** Runs when the process exits, also when it crashes. */
  readonly onExit: () => void;
}

/** The server of a process, until its end. */
interface Serving {
  /** Takes no new calls, lets those in flight finish within so many milliseconds, and closes the connections. */
  drain(graceMs: number): Promise<unknown>;
  /** Stops the plugin. */
  stop(): Promise<void>;
}

/** The life of a plugin process: it ends once, whatever ends it. */
export interface Lifetime {
  /** Aborted when the plugin is told to stop. */
  readonly draining: AbortSignal;
  /** Ends what is served, then the process, with code 0. As long as nothing is served there is nothing to wait for. */
  readonly end: End;
  /** From now on this is served. */
  serves(serving: Serving): void;
}

/** Listens to all that ends the process. */
export async function beginLife(options: LifetimeOptions): Promise<Lifetime> {
  const { gracePeriodMs, hosted, endsWithStdin, shutdownFile, log, onExit } = options;
  const draining = new AbortController();
  const exit = () => process.exit(0);
  let serving: Serving | undefined;

  async function stop({ drain, stop }: Serving, graceMs: number) {
    try {
      await drain(graceMs);
      await stop();
    } catch (error) {
      log.line("ERROR", `stopping: ${String(error)}`);
    }
  }

  const end: End = (graceMs, stopMs = 2_000) => {
    if (draining.signal.aborted) {
      return;
    }
    if (serving === undefined) {
      exit();
      return;
    }
    draining.abort();
    // A stop hook or a peer that hangs must not keep the process.
    setDeadlineTimer(exit, graceMs + stopMs).unref();
    stop(serving, graceMs).then(exit, exit);
  };

  process.once("exit", onExit);
  process.on("SIGTERM", () => end(gracePeriodMs));
  process.on("SIGINT", () => hosted || end(gracePeriodMs));
  if (endsWithStdin) {
    const hostGone = () => end(0);
    process.stdin.on("end", hostGone).on("close", hostGone).on("error", hostGone).resume();
  }
  if (shutdownFile !== undefined) {
    const { watchForFile } = await import("./shutdown-file.ts");
    watchForFile(path.resolve(shutdownFile), () => end(gracePeriodMs), log);
  }
  return {
    draining: draining.signal,
    end,
    serves(served) {
      serving = served;
    },
  };
}
