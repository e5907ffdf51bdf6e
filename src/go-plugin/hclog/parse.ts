import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { printable, printableLine } from "../../base/printable.ts";
import type { HclogLevel, LogRecord } from "./record.ts";
import { hclogLevels } from "./record.ts";

/** Names of levels that others than hclog have. */
const otherNames: ReadonlyMap<string, HclogLevel> = new Map([
  ["warning", "warn"],
  ["err", "error"],
  ["fatal", "error"],
  ["critical", "error"],
  ["panic", "error"],
]);

/** Deeper than this, what is in a field is left out. */
const maxDepth = 16;

/**
 * Makes a reader for the lines of one plugin's stderr, which is a log by go-plugin's convention
 * (https://github.com/hashicorp/go-hclog): objects of JSON, or text that may begin with a level such as "[WARN]". From
 * the line on in which Go reports a crash, text without a level is of level error. All else is of level debug.
 */
export function createLogReader(): (line: string) => LogRecord {
  let crashed = false;
  return (line) => {
    const structured = readLogObject(line);
    if (structured !== undefined) {
      return structured;
    }
    const [prefix = "", name = ""] = /^\[([A-Z]+)\]\s*/.exec(line) ?? [];
    const level = levelCalled(name);
    if (level !== undefined) {
      return { level, message: printable(line.slice(prefix.length)), fields: {} };
    }
    crashed ||= /^(?:panic|fatal error): /.test(line);
    return { level: crashed ? "error" : "debug", message: printable(line), fields: {} };
  };
}

/** Reads a line of hclog's JSON; undefined for all else. */
export function readLogObject(line: string): LogRecord | undefined {
  const {
    "@level": name,
    "@message": message,
    "@timestamp": timestamp,
    "@module": module,
    ...rest
  } = parseObject(line);
  if (typeof message !== "string") {
    return undefined;
  }
  const level = typeof name === "string" ? levelCalled(name) : undefined;
  const time = typeof timestamp === "string" ? readTime(timestamp) : undefined;
  const unread: JsonObject = {
    ...(name !== undefined && level === undefined && { "@level": name }),
    ...(timestamp !== undefined && time === undefined && { "@timestamp": timestamp }),
    ...(module !== undefined && typeof module !== "string" && { "@module": module }),
    ...rest,
  };
  return {
    level: level ?? "debug",
    message: printable(message),
    ...(time && { time }),
    ...(typeof module === "string" && { module: printableLine(module) }),
    fields: printableObject(unread, 0),
  };
}

function parseObject(line: string): JsonObject {
  if (!line.trimStart().startsWith("{")) {
    return {};
  }
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}

function levelCalled(name: string): HclogLevel | undefined {
  const lower = name.trim().toLowerCase();
  return hclogLevels.find((level) => level === lower) ?? otherNames.get(lower);
}

/** Reads a time of RFC 3339, with any number of digits after the point: Go writes six, JavaScript three. */
function readTime(text: string): Date | undefined {
  const time = new Date(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(text) ? text : Number.NaN);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

function printableObject(object: JsonObject, depth: number): JsonObject {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => [printableLine(name), printableValue(value, depth + 1)]),
  );
}

/** JSON has texts in which control characters are escaped; they are characters again by now. */
function printableValue(value: JsonValue, depth: number): JsonValue {
  if (typeof value === "string") {
    return printable(value);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if (depth > maxDepth) {
    return "...";
  }
  return Array.isArray(value) ? value.map((each) => printableValue(each, depth + 1)) : printableObject(value, depth);
}
