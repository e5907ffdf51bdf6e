import fc from "fast-check";
import { expect, test } from "vitest";
import { formatLogLine, formatMessage } from "../../../src/go-plugin/hclog/format.ts";

test("is one line of JSON with texts only, and a time with six digits", () => {
  const time = fc.date({ min: new Date("1970-01-01"), max: new Date("2999-12-31"), noInvalidDate: true });
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string(), time, (message, module, time) => {
      const line = formatLogLine({ level: "warn", message, module, time });
      expect(line).not.toMatch(/[\r\n]/);
      const { "@timestamp": stamp, ...rest } = JSON.parse(line);
      expect(rest).toEqual({ "@level": "warn", "@message": message, "@module": module });
      expect(stamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      expect(new Date(stamp)).toEqual(time);
    }),
  );
});

test("a message is what console would print", () => {
  expect(formatMessage(["failed:", { code: 5 }, 7])).toBe("failed: { code: 5 } 7");
  expect(formatMessage([new Error("broken")])).toContain("Error: broken\n    at ");
  expect(formatMessage(["%s has %d of %j", "it", 3, { a: 1 }, "more"])).toBe('it has 3 of {"a":1} more');
  expect(formatMessage(["%s, alone"])).toBe("%s, alone");
});
