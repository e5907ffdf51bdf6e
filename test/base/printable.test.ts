import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { printable, printableLine } from "../../src/base/printable.ts";

/** Text in which much is for the terminal, or begins as if it were. */
const texts = fc
  .array(
    fc.oneof(
      fc.constantFrom("\u001b", "\u001b[", "\u001b]", "\u001bP", "\u0007", "\u001b\\", "\u009b", "\u009d", "\u009c"),
      fc.constantFrom("0;31", "m", "2J", "\n", "\r\n", "\t", "\u2028", "\u202e", "🎈", " "),
      fc.string({ unit: "binary", maxLength: 3 }),
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join(""));

describe("printable leaves out", () => {
  test.each<[string, string, string]>([
    ["colours", "\u001b[1;31mred\u001b[0m", "red"],
    ["colours as a terminal of eight bits takes them", "\u009b31mred", "red"],
    ["movements and erasures", "a\u001b[2J\u001b[Hb\u001b[10;20fc", "abc"],
    ["private modes", "\u001b[?25lhidden\u001b[?1049h", "hidden"],
    ["a new title, ended by a bell", "a\u001b]0;owned\u0007b", "ab"],
    ["a link, ended by a string terminator", "\u001b]8;;https://evil.example\u001b\\text\u001b]8;;\u001b\\", "text"],
    ["a device control string", "a\u001bP1$r0m\u001b\\b", "ab"],
    ["another character set", "\u001b(0lqk\u001b(B", "lqk"],
    ["a reset", "a\u001bcb", "ab"],
    ["other control characters", "a\bb\rc\0d\u007fe\u0085f", "abcdef"],
  ])("%s", (_what, text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  test("what begins a sequence, and not the text after one that does not end", () => {
    expect(printable("a\u001b]0;title\nb")).toBe("a0;title\nb");
    expect(printable("a\u001b")).toBe("a");
  });

  test("every control character, and nothing of a text without any", () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(printable(text)).not.toMatch(/[^\P{Cc}\n\t]/u);
      }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const harmless = text.replace(/\p{Cc}/gu, "");
        expect(printable(harmless)).toBe(harmless);
      }),
    );
  });

  test("the colours and movements that Node leaves out", () => {
    const parameters = fc.array(fc.nat(99), { maxLength: 3 }).map((numbers) => numbers.join(";"));
    fc.assert(
      fc.property(parameters, fc.constantFrom(..."ABCDEFGHJKSTfmnsu"), (numbers, end) => {
        const text = `a\u001b[${numbers}${end}b`;
        expect(printable(text)).toBe(stripVTControlCharacters(text));
      }),
    );
  });
});

describe("printableLine", () => {
  test("makes one line of several, so that no one can write lines of ours", () => {
    expect(printableLine("sample\n- grpc at unix:/a:\tworks\u2028or not\r\n")).toBe(
      "sample - grpc at unix:/a: works or not ",
    );
  });

  test("leaves out what turns the direction of writing", () => {
    expect(printableLine("a\u202etxt.exe\u2066b")).toBe("atxt.exeb");
  });

  test("cuts what is long, between characters", () => {
    expect(printableLine("a".repeat(300))).toBe("a".repeat(300));
    expect(printableLine("a".repeat(301))).toBe(`${"a".repeat(300)}...`);
    expect(printableLine(`${"a".repeat(299)}🎈`)).toBe(`${"a".repeat(299)}...`);
  });

  test("changes nothing that it has made, unless it was cut", () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(printableLine(printableLine(text))).toBe(printableLine(text));
      }),
    );
  });
});
