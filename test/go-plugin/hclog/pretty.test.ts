import { expect, test } from "vitest";
import { formatLogRecord } from "../../../src/go-plugin/hclog/pretty.ts";

test("a record is one line for people, as hclog writes it", () => {
  expect(
    formatLogRecord({
      level: "warn",
      message: "low",
      time: new Date("2026-11-21T10:08:47.347Z"),
      module: "disk",
      fields: { free: 12, path: "/a b" },
    }),
  ).toBe('2026-11-21T10:08:47.347Z [WARN]  disk: low: free=12 path="/a b"');
});

test("what the plugin left out is left out", () => {
  expect(formatLogRecord({ level: "error", message: "gone", fields: {} })).toBe("[ERROR] gone");
});

test("further lines of a message can't be taken for records", () => {
  const text = formatLogRecord({ level: "info", message: "one\n[ERROR] two", fields: { three: "\n[ERROR]" } });
  expect(text).toBe('[INFO]  one\n  | [ERROR] two: three="\\n[ERROR]"');
});
