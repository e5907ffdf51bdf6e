import { describeThrown } from "./describe-thrown.ts";
import { maskPasswords, maskSecrets } from "./mask-secrets.ts";
import { printable } from "./printable.ts";

/** Severity of a line of Plugboard's own log. */
export type LogLevel = "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";

/** The lowest first. */
export const logLevels: readonly LogLevel[] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/** A structured line of the log. Its fields hold no secrets any more. */
export interface LogEntry {
  readonly level: "INFO" | "WARNING";
  readonly message: string;
  readonly time: Date;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Plugboard's own log. Each host and each served plugin has one. */
export interface Log {
  /**
   * Writes a line: to stderr in Node, to the console elsewhere. By the console's methods, as under hosts written with go-plugin
   * those tell the host the level. Errors quote what callers send, so nothing of it can pass for another line of the log, or be
   * obeyed by a terminal; a password in a URL is masked.
   * @param thrown Errors to log with the message.
   */
  line(level: "WARNING" | "ERROR", message: string, ...thrown: readonly unknown[]): void;
  /** Writes a structured line. What looks like a secret by its name is masked in it, however deep it is. */
  entry(level: "INFO" | "WARNING", message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Before each further line of a text with several, so that nothing in it passes for a line of its own. */
const continuation = "\n  | ";

/**
 * Makes a log.
 * @param lowest Lines of lower severity are left out. Default: "INFO".
 * @param writeEntry Writes structured lines. Default: to the console, as JSON.
 */
export function createLog(lowest: LogLevel = "INFO", writeEntry: (entry: LogEntry) => void = entryToConsole): Log {
  const least = logLevels.indexOf(lowest);
  return {
    line(level, message, ...thrown) {
      if (logLevels.indexOf(level) >= least) {
        const text = ["plugboard:", message, ...thrown.map(describeThrown)].join(" ");
        console[level === "WARNING" ? "warn" : "error"](printable(maskPasswords(text)).replaceAll("\n", continuation));
      }
    },
    entry(level, message, fields) {
      if (logLevels.indexOf(level) >= least) {
        writeEntry({ level, message, time: new Date(), fields: maskSecrets(fields) });
      }
    },
  };
}

/**
 * For what belongs neither to a host nor to a plugin of `serve()`: a Worker, a plugin on a message port or in its caller's
 * process, and clients, which connect from anywhere.
 */
export const defaultLog: Log = /* @__PURE__ */ createLog();

/** Formats a log entry as one JSON object. Fields that are `undefined` are left out. */
export function formatLogEntry({ level, message, time, fields }: LogEntry): string {
  return JSON.stringify({ time: time.toISOString(), level: level.toLowerCase(), message, ...fields });
}

function entryToConsole(entry: LogEntry): void {
  console[entry.level === "WARNING" ? "warn" : "info"](formatLogEntry(entry));
}
