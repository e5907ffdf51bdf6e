import type { ProcessStat } from "./process-stat.ts";
import { readProcessStat } from "./process-stat.ts";

/** A process that this one has not started. */
export interface FollowedProcess {
  /** Settles when it has ended; never, if it is no longer followed by then. */
  readonly exited: Promise<void>;
  /** Sends a signal, unless the process has ended. */
  signal(signal: NodeJS.Signals): void;
  /** Looks more often for a while: something says that it has just ended. */
  hurry(): void;
  /** Follows it no longer. */
  close(): void;
}

/** No event tells of processes that are not our own children. */
const pollMs = 250;
/** Milliseconds between looks when it probably has ended, and until the usual pace again. */
const hurry = { pollMs: 5, forMs: 1_000 };

/** Follows a process until it ends, and keeps this one alive until then. Returns undefined if it does not run. */
export function followProcess(pid: number): FollowedProcess | undefined {
  const first = readProcessStat(pid);
  // Not another one that has got its id, where that can be told.
  const runs = () => (first === undefined ? canBeSignalled(pid) : isSame(readProcessStat(pid), first.startTime));
  if (!runs()) {
    return undefined;
  }
  const { promise: exited, resolve } = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let hurryUntil = 0;
  const look = () => {
    if (runs()) {
      timer = setTimeout(look, performance.now() < hurryUntil ? hurry.pollMs : pollMs);
    } else {
      timer = undefined;
      resolve();
    }
  };
  timer = setTimeout(look, pollMs);
  return {
    exited,
    signal(signal) {
      if (runs()) {
        try {
          process.kill(pid, signal);
        } catch {
          // allowed empty-catch: it was faster, or it is another user's.
        }
      }
    },
    hurry() {
      if (timer !== undefined) {
        hurryUntil = performance.now() + hurry.forMs;
        clearTimeout(timer);
        look();
      }
    },
    close() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

function isSame(stat: ProcessStat | undefined, startTime: string): boolean {
  return stat?.runs === true && stat.startTime === startTime;
}

function canBeSignalled(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
