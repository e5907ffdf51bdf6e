import { describeThrown } from "./describe-thrown.ts";
import { maskPasswords, maskSecrets } from "./mask-secrets.ts";
import { printable } from "./printable.ts";

/** Levels of log lines, least urgent first. */
export const logLevels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;

/** Severity of a log line, the lowest first. */
export type LogLevel = (typeof logLevels)[number];

/** Of the process, as stderr is: set by the process's owner. */
let lowest: LogLevel = "INFO";

/** Leaves out what is less urgent from now on. Default: INFO. */
export function setLogLevel(level: LogLevel): void {
  lowest = level;
}

/** Before each further line of a text with several, so that nothing in it passes for a line of its own. */
const continuation = "\n  | ";

/**
 * Writes a line of Plugboard's own to the log: stderr in Node, the console elsewhere. By the console's methods, as under
 * hosts written with go-plugin those tell the host the level. Errors quote what callers send, so nothing of it can pass
 * for another line of the log, or be obeyed by a terminal; a password in a URL is masked.
 * @param thrown Errors to log with the message.
 */
export function log(level: "WARNING" | "ERROR", message: string, ...thrown: readonly unknown[]): void {
  if (logLevels.indexOf(level) >= logLevels.indexOf(lowest)) {
    const text = ["plugboard:", message, ...thrown.map(describeThrown)].join(" ");
    console[level === "WARNING" ? "warn" : "error"](printable(maskPasswords(text)).replaceAll("\n", continuation));
  }
}

/** A structured line of the log. Its fields hold no secrets any more. */
export interface LogEntry {
  readonly level: "INFO" | "WARNING";
  readonly message: string;
  readonly time: Date;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Formats a log entry as one JSON object. Fields that are `undefined` are left out. */
export function formatLogEntry({ level, message, time, fields }: LogEntry): string {
  return JSON.stringify({ time: time.toISOString(), level: level.toLowerCase(), message, ...fields });
}

let writeEntry = (entry: LogEntry): void => {
  console[entry.level === "WARNING" ? "warn" : "info"](formatLogEntry(entry));
};

/** Sets where structured lines go. Default: to the console. Of the process, as the level is. */
export function setLogEntryWriter(write: (entry: LogEntry) => void): void {
  writeEntry = write;
}

/** Writes a structured line to the log. What looks like a secret by its name is masked in it, however deep it is. */
export function logEntry(level: LogEntry["level"], message: string, fields: Readonly<Record<string, unknown>>): void {
  if (logLevels.indexOf(level) >= logLevels.indexOf(lowest)) {
    writeEntry({ level, message, time: new Date(), fields: maskSecrets(fields) });
  }
}
