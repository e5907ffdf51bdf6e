import type { LogRecord } from "../node/go-plugin/log-record.ts";
import { createLogReader, readLogObject } from "../node/go-plugin/parse-log-line.ts";
import { formatLogRecord } from "./format-log-record.ts";

/** A line that a plugin process printed. */
export interface OutputLine {
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

/** Who wants what a plugin prints and logs. */
export interface OutputListeners {
  /** Gets every line that the plugin prints after the handshake, and all of stderr. Default: to the host's stderr. */
  readonly onOutput?: (line: OutputLine) => void;
  /**
   * Gets the lines of stderr, in place of `onOutput`, as records of a log: that is what stderr is for plugins made with
   * go-plugin. What such a plugin prints comes to `onOutput`, as it comes another way.
   */
  readonly onLog?: (record: LogRecord) => void;
}

/** Where the lines of a plugin go. */
export interface PluginOutput {
  printed(line: OutputLine): void;
  /** A line of the process's own stderr. */
  stderr(text: string): void;
}

/** Hands lines to those who want them, and else to the host's stderr, in a form for people. */
export function pluginOutput({ onOutput, onLog }: OutputListeners): PluginOutput {
  const printed = onOutput ?? (({ text }) => printToStderr(text));
  if (onLog !== undefined) {
    const read = createLogReader();
    return { printed, stderr: (text) => onLog(read(text)) };
  }
  if (onOutput !== undefined) {
    return { printed, stderr: (text) => onOutput({ stream: "stderr", text }) };
  }
  return {
    printed,
    stderr(text) {
      const record = readLogObject(text);
      printToStderr(record === undefined ? text : formatLogRecord(record));
    },
  };
}

function printToStderr(text: string) {
  process.stderr.write(`${text}\n`);
}
