import { format } from "node:util";
import type { HclogLevel } from "./record.ts";

/** A line of a plugin's log. */
export interface LogLine {
  readonly level: HclogLevel;
  readonly message: string;
  /** The part of the program that it comes from, by convention the plugin's name. */
  readonly module: string;
  readonly time: Date;
  /** Further values, by name. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/**
 * Writes a log line, without its end, as hosts written with go-plugin read it from a plugin's stderr: one object of
 * JSON, of which its own members are texts and whose time has six digits after the point. Anything else such a host takes for a
 * text of level debug, or it crashes.
 */
export function formatLogLine({ level, message, module, time, fields }: LogLine): string {
  const timestamp = time.toISOString().replace(/(\.\d{3})Z$/, "$1000Z");
  return JSON.stringify({
    ...fields,
    "@level": level,
    "@message": message,
    "@module": module,
    "@timestamp": timestamp,
  });
}

/** Formats a message from the arguments of a `console` method, as that would print it. */
export function formatMessage(values: readonly unknown[]): string {
  return format(...values);
}
