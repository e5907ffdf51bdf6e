import * as fs from "node:fs";
import { setTimeout } from "node:timers/promises";
import { readProcessStat } from "./process-stat.ts";

const pollMs = 20;

/** Sends a signal to all processes of a group; nothing happens if none is left. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // allowed empty-catch: no process is left in the group.
  }
}

/** Waits until no process of a group runs any more, but no longer than so many milliseconds. */
export async function untilGroupEnds(group: number, timeoutMs: number): Promise<void> {
  // No event tells of processes that are not our own children.
  for (const end = performance.now() + timeoutMs; groupRuns(group) && performance.now() < end; ) {
    await setTimeout(Math.min(pollMs, timeoutMs));
  }
}

function groupRuns(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch {
    return false;
  }
  // The signal also finds processes that have ended, and stay so where process 1 does not wait for orphans, as in many
  // containers.
  return process.platform !== "linux" || fs.readdirSync("/proc").some((name) => runsInGroup(name, group));
}

function runsInGroup(name: string, group: number): boolean {
  const stat = /^\d+$/.test(name) ? readProcessStat(Number(name)) : undefined;
  return stat?.group === group && stat.runs;
}
