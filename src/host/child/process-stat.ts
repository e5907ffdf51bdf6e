import * as fs from "node:fs";

/** The state of a process as Linux tells it (proc_pid_stat(5)). */
export interface ProcessStat {
  /** False for one that has ended and was not waited for. */
  readonly runs: boolean;
  readonly group: number;
  /** When it was started, in the clock's own unit; tells it from a later one of the same id. */
  readonly startTime: string;
}

/** Reads it; undefined if there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  try {
    // "pid (name) state parent group ...", and the name may have anything in it.
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, , group] = fields;
    return { runs: state !== "Z" && state !== "X", group: Number(group), startTime: fields[19] ?? "" };
  } catch {
    // It has ended in the meantime.
    return undefined;
  }
}
