import { isolateListener } from "../base/isolate-listener.ts";
import type { Log } from "../base/log.ts";
import { printable, printableLine } from "../base/printable.ts";
import { outliveReader } from "../node/own-streams.ts";
import { createLogReader, readLogObject } from "./hclog/parse.ts";
import { formatLogRecord } from "./hclog/pretty.ts";
import type { LogRecord } from "./hclog/record.ts";

/** A line that a plugin process printed. */
export interface OutputLine {
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

/** Listeners to a plugin's output and log. What a listener throws is logged once, and changes nothing. */
export interface OutputListeners {
  /**
   * Gets every line that the plugin prints after the handshake, and all of stderr; as the plugin printed them, with what a
   * terminal would obey. Default: to the host's stderr, as printable text, each line after the plugin's name.
   */
  readonly onOutput?: (line: OutputLine) => void;
  /**
   * Gets the lines of stderr, in place of `onOutput`, as records of a log: that is what stderr is for plugins made with
   * go-plugin. What such a plugin prints comes to `onOutput`, as it comes another way.
   */
  readonly onLog?: (record: LogRecord) => void;
}

/** The destinations of a plugin's lines. */
export interface PluginOutput {
  printed(line: OutputLine): void;
  /** A line of the process's own stderr. */
  stderr(text: string): void;
}

/**
 * Hands lines to those who want them, and else to the host's stderr, in a form for people.
 * @param name Whose lines they are, as far as that is known.
 * @param log The host's.
 */
export function pluginOutput({ onOutput, onLog }: OutputListeners, name: () => string, log: Log): PluginOutput {
  const print = (text: string) => {
    outliveReader(process.stderr);
    process.stderr.write(`${printableLine(name())}: ${printable(text)}\n`);
  };
  const printed =
    onOutput === undefined ? ({ text }: OutputLine) => print(text) : isolateListener("onOutput", onOutput, log);
  if (onLog !== undefined) {
    const read = createLogReader();
    const logged = isolateListener("onLog", onLog, log);
    return { printed, stderr: (text) => logged(read(text)) };
  }
  if (onOutput !== undefined) {
    return { printed, stderr: (text) => printed({ stream: "stderr", text }) };
  }
  return {
    printed,
    stderr(text) {
      const record = readLogObject(text);
      print(record === undefined ? text : formatLogRecord(record));
    },
  };
}
