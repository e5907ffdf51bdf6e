import type { LogEntry } from "../../base/log.ts";
import { formatLogLine, formatMessage } from "./format.ts";
import type { HclogLevel } from "./record.ts";

const levels = { trace: "trace", debug: "debug", info: "info", warn: "warn", error: "error" } as const satisfies Record<
  string,
  HclogLevel
>;

/**
 * Makes `console.error`, `warn`, `info`, `debug` and `trace` write log lines of their level, as the host takes what comes
 * on stderr for a log. `console.log` prints, as before. Of the whole process, as the console is.
 * @param module Name of the plugin.
 * @param write Writes to the process's real stderr.
 */
export function logByConsole(module: string, write: (text: string) => void): void {
  for (const [method, level] of Object.entries(levels)) {
    console[method as keyof typeof levels] = (...values: unknown[]) => {
      write(`${formatLogLine({ level, message: formatMessage(values), module, time: new Date() })}\n`);
    };
  }
}

/** Writes structured lines of the log as what hosts read as records. */
export function createRecordWriter(module: string, write: (text: string) => void): (entry: LogEntry) => void {
  return ({ level, message, time, fields }) => {
    const line = { level: level === "WARNING" ? "warn" : "info", message, module, time, fields } as const;
    write(`${formatLogLine(line)}\n`);
  };
}
