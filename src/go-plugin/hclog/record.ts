import type { JsonValue } from "@bufbuild/protobuf";

/** Levels of HashiCorp's hclog, lowest first. */
export const logLevels = ["trace", "debug", "info", "warn", "error"] as const;

/** Level of a log record. */
export type LogLevel = (typeof logLevels)[number];

/** A line of a plugin's log. Nothing in its texts would make a terminal do anything. */
export interface LogRecord {
  readonly level: LogLevel;
  readonly message: string;
  /** When it was logged, if the plugin said so. */
  readonly time?: Date;
  /** The part of the plugin that it comes from, if the plugin said so. */
  readonly module?: string;
  /** Further values that the plugin logged, by name. Empty for lines that are plain text. */
  readonly fields: Readonly<Record<string, JsonValue>>;
}
