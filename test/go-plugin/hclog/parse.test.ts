import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createLogReader } from "../../../src/go-plugin/hclog/parse.ts";
import { hclogLevels } from "../../../src/go-plugin/hclog/record.ts";

const read = (line: string) => createLogReader()(line);

describe("a line in hclog's JSON", () => {
  test("becomes a record of its level, with module, time and fields", () => {
    expect(
      read(
        '{"@level":"warn","@message":"low","@module":"disk.check","@timestamp":"2026-11-21T10:08:47.347340Z",' +
          '"free":12,"paths":["/a",{"b":null}],"@caller":"main.go:7"}',
      ),
    ).toEqual({
      level: "warn",
      message: "low",
      module: "disk.check",
      time: new Date("2026-11-21T10:08:47.347Z"),
      fields: { free: 12, paths: ["/a", { b: null }], "@caller": "main.go:7" },
    });
  });

  test.each([
    ["trace", "trace"],
    [" DEBUG ", "debug"],
    ["Info", "info"],
    ["warning", "warn"],
    ["err", "error"],
    ["fatal", "error"],
  ])("a line of level %j is of level %s", (name, level) => {
    expect(read(JSON.stringify({ "@level": name, "@message": "m" }))).toEqual({ level, message: "m", fields: {} });
  });

  test.each(["off", "", 7, null, {}])(
    "a line of the unknown level %j is of level debug, and keeps what it says",
    (name) => {
      const record = read(JSON.stringify({ "@level": name, "@message": "m" }));
      expect(record).toEqual({ level: "debug", message: "m", fields: { "@level": name } });
    },
  );

  test.each([
    ["2026-11-21T10:08:47Z", "2026-11-21T10:08:47.000Z"],
    ["2026-11-21T10:08:47.3+01:00", "2026-11-21T09:08:47.300Z"],
    ["2026-11-21T10:08:47.123456789-00:30", "2026-11-21T10:38:47.123Z"],
  ])("may have the time as %s", (timestamp, time) => {
    expect(read(JSON.stringify({ "@message": "m", "@timestamp": timestamp })).time?.toISOString()).toBe(time);
  });

  test.each(["yesterday", "2026-11-21", "2026-13-45T10:08:47Z", 1_700_000_000])(
    "a line whose time is %j keeps that as a field",
    (timestamp) => {
      const record = read(JSON.stringify({ "@level": "info", "@message": "m", "@timestamp": timestamp }));
      expect(record).toEqual({ level: "info", message: "m", fields: { "@timestamp": timestamp } });
    },
  );

  test("has nothing in it that a terminal would obey", () => {
    const nasty = "\u001b[31mred\u0007";
    const record = read(
      JSON.stringify({ "@message": nasty, "@module": `${nasty}\nx`, [nasty]: nasty, deep: [{ [nasty]: [nasty] }] }),
    );
    expect(record).toMatchObject({ message: "red", module: "red x", fields: { red: "red", deep: [{ red: ["red"] }] } });
  });

  test("may be nested as deep as it likes, of which the outer part is kept", () => {
    const record = read(`{"@message":"m","deep":${"[".repeat(20_000)}${"]".repeat(20_000)}}`);
    expect(JSON.stringify(record.fields)).toMatch(/^\{"deep":\[{5,30}"\.\.\."\]{5,30}\}$/);
  });

  test("may have a field called __proto__", () => {
    const record = read('{"@message":"m","__proto__":{"polluted":true}}');
    expect(Object.keys(record.fields)).toEqual(["__proto__"]);
    expect(record.fields).not.toHaveProperty("polluted");
  });
});

describe("any other line", () => {
  test.each([
    ["[TRACE] a", "trace", "a"],
    ["[DEBUG] a", "debug", "a"],
    ["[INFO]  a", "info", "a"],
    ["[WARN] a [ERROR] b", "warn", "a [ERROR] b"],
    ["[ERROR] a", "error", "a"],
    ["[ERR] a", "error", "a"],
    ["[DONE] a", "debug", "[DONE] a"],
    [" [ERROR] a", "debug", " [ERROR] a"],
    ["plain", "debug", "plain"],
    ["", "debug", ""],
    ['{"level":30,"msg":"of another logger"}', "debug", '{"level":30,"msg":"of another logger"}'],
    ['{"@message":7}', "debug", '{"@message":7}'],
    ['["@message"]', "debug", '["@message"]'],
    ['{"@message":"torn', "debug", '{"@message":"torn'],
    ["\u001b[1mbold\u001b[0m", "debug", "bold"],
  ])("such as %j is of level %s", (line, level, message) => {
    expect(read(line)).toEqual({ level, message, fields: {} });
  });
});

test("from the line on in which Go reports a crash, text without a level is an error", () => {
  const lines = [
    "before",
    "panic: all gone",
    "",
    "goroutine 7 [running]:",
    '{"@level":"info","@message":"another goroutine"}',
    "[WARN] with a level",
    "main.main()",
  ];
  const levels = ["debug", "error", "error", "error", "info", "warn", "error"];
  expect(lines.map(createLogReader()).map(({ level }) => level)).toEqual(levels);
  expect(read("fatal error: out of memory").level).toBe("error");
  expect(read("no panic: all fine").level).toBe("debug");
});

test("whatever a line is, it becomes a record that is fit to be shown", () => {
  const isFit = (text: string) => expect(text).not.toMatch(/[^\P{Cc}\n\t]/u);
  const objects = fc.dictionary(
    fc.constantFrom("@level", "@message", "@timestamp", "@module", "other"),
    fc.oneof(fc.jsonValue(), fc.string({ unit: "binary" }), fc.constantFrom("info", "2026-11-21T10:08:47Z")),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        objects.map((each) => JSON.stringify(each)),
      ),
      (line) => {
        const record = read(line);
        expect(hclogLevels).toContain(record.level);
        isFit(record.message);
        JSON.stringify(record.fields, (name, value) => {
          isFit(name);
          isFit(typeof value === "string" ? value : "");
          return value;
        });
      },
    ),
  );
});
