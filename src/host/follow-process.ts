import type { ProcessStat } from "./process-stat.ts";
import { readProcessStat } from "./process-stat.ts";

/** A process that somebody else has started. */
export interface FollowedProcess {
  /** Settles when it has ended; never, if it is no longer followed by then. */
  readonly exited: Promise<void>;
  /** Sends a signal, unless the process has ended. */
  signal(signal: NodeJS.Signals): void;
  /** Follows it no longer. */
  close(): void;
}

/** No event tells of processes that are not our own children. */
const pollMs = 250;

/** Follows a process until it ends. Returns undefined if it does not run. */
export function followProcess(pid: number): FollowedProcess | undefined {
  const first = readProcessStat(pid);
  // Not another one that has got its id, where that can be told.
  const runs = () => (first === undefined ? canBeSignalled(pid) : isSame(readProcessStat(pid), first.startTime));
  if (!runs()) {
    return undefined;
  }
  const { promise: exited, resolve } = Promise.withResolvers<void>();
  const timer = setInterval(() => {
    if (!runs()) {
      clearInterval(timer);
      resolve();
    }
  }, pollMs);
  timer.unref();
  return {
    exited,
    signal(signal) {
      if (runs()) {
        try {
          process.kill(pid, signal);
        } catch {
          // It was faster, or it is another user's.
        }
      }
    },
    close: () => clearInterval(timer),
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
