/** Levels of log lines, least urgent first. */
export const logLevels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;

/** How urgent a log line is. */
export type LogLevel = (typeof logLevels)[number];

/** Of the process, as stderr is: whoever owns the process sets it. */
let lowest: LogLevel = "INFO";

/** Leaves out what is less urgent from now on. Default: INFO. */
export function setLogLevel(level: LogLevel): void {
  lowest = level;
}

/**
 * Writes a line of Plugboard's own to the log: stderr in Node, the console elsewhere. By the console's methods, as under
 * hosts written with go-plugin those tell the host the level.
 */
export function log(level: "WARNING" | "ERROR", message: string, ...details: unknown[]): void {
  if (logLevels.indexOf(level) >= logLevels.indexOf(lowest)) {
    console[level === "WARNING" ? "warn" : "error"](`plugboard: ${message}`, ...details);
  }
}
