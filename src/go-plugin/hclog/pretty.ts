import type { LogRecord } from "./record.ts";

/**
 * Writes a record for people, as hclog does: time, level, module, message and fields. Further lines of a message can be
 * told from records.
 */
export function formatLogRecord({ time, level, module, message, fields }: LogRecord): string {
  const head = [
    ...(time ? [time.toISOString()] : []),
    `[${level.toUpperCase()}]`.padEnd(7),
    ...(module === undefined ? [] : [`${module}:`]),
    message.replaceAll("\n", "\n  | "),
  ];
  const tail = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return tail.length === 0 ? head.join(" ") : `${head.join(" ")}: ${tail.join(" ")}`;
}
