import type { JsonValue } from "@bufbuild/protobuf";

/** Level of a log record, as HashiCorp's hclog names it. */
export type HclogLevel = "trace" | "debug" | "info" | "warn" | "error";

/** Lowest first. */
export const hclogLevels: readonly HclogLevel[] = ["trace", "debug", "info", "warn", "error"];

/** A line of a plugin's log. Nothing in its texts would make a terminal do anything. */
export interface LogRecord {
  readonly level: HclogLevel;
  readonly message: string;
  /** When it was logged, if the plugin said so. */
  readonly time?: Date;
  /** The part of the plugin that it comes from, if the plugin said so. */
  readonly module?: string;
  /** Further values that the plugin logged, by name. Empty for lines that are plain text. */
  readonly fields: Readonly<Record<string, JsonValue>>;
}
