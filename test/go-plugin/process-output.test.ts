import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { createLineSplitter, createOutputTail } from "../../src/go-plugin/process-output.ts";

/** Text, and the pieces in which its bytes come. */
const inPieces = fc
  .tuple(fc.array(fc.constantFrom("a", "ä", "🎈", "\n", "\r\n", "\u001b[31m", "\u0000")), fc.array(fc.nat(100)))
  .map(([parts, cuts]) => {
    const bytes = Buffer.from(parts.join(""));
    const ends = [...cuts.filter((cut) => cut < bytes.byteLength).sort((a, b) => a - b), bytes.byteLength];
    return { text: parts.join(""), pieces: ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end)) };
  });

test("lines are the same, in whatever pieces they come", () => {
  fc.assert(
    fc.property(inPieces, ({ text, pieces }) => {
      const lines: string[] = [];
      const splitter = createLineSplitter(10_000, (line) => lines.push(line));
      for (const piece of pieces) {
        splitter.add(piece);
      }
      splitter.end();
      const expected = text.split(/\r?\n/);
      expect(lines).toEqual(expected.at(-1) === "" ? expected.slice(0, -1) : expected);
    }),
  );
});

test("a line that is too long comes in pieces, and nothing of it is lost", () => {
  const lines: string[] = [];
  const splitter = createLineSplitter(4, (line) => lines.push(line));
  splitter.add(Buffer.from("abcdefghi\nj\n"));
  splitter.end();
  expect(lines).toEqual(["abcd", "efgh", "i", "j"]);
});

test("pieces of a line are of whole characters, and what is no text is cut anywhere", () => {
  const lines: string[] = [];
  const splitter = createLineSplitter(4, (line) => lines.push(line));
  splitter.add(Buffer.from("abcä🎈é\n"));
  splitter.add(Buffer.alloc(9, 0x80));
  splitter.end();
  expect(lines.slice(0, 3)).toEqual(["abc", "ä", "🎈"]);
  expect(lines[3]).toBe("é");
  expect(lines.slice(4).join("")).toBe("\ufffd".repeat(9));
});

test("a listener that throws on a line gets the next ones, and that one no more", () => {
  const lines: string[] = [];
  const splitter = createLineSplitter(10, (line) => {
    lines.push(line);
    if (line === "one") {
      throw new Error("as asked");
    }
  });
  expect(() => splitter.add(Buffer.from("one\ntwo\n"))).toThrow("as asked");
  splitter.add(Buffer.from("three\n"));
  splitter.end();
  expect(lines).toEqual(["one", "two", "three"]);
});

test("of much output the last lines are kept", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    const tail = createOutputTail(10_000);
    for (let index = 0; index < 40; index++) {
      tail.add(Buffer.from(`line ${index}\n`));
      vi.advanceTimersByTime(1_000);
    }
    expect(tail.text().split("\n")).toHaveLength(12);
    expect(tail.text()).toMatch(/^\.\.\.line 28\n/);
    expect(tail.text()).toMatch(/line 39$/);
    // A crash prints its cause first, and then where it was.
    tail.add(Buffer.from(`panic\n${"    at somewhere\n".repeat(30)}`));
    expect(tail.text()).toMatch(/^\.\.\.panic\n/);
  } finally {
    vi.useRealTimers();
  }
});

test("the end of the output is kept, without what a terminal would obey", () => {
  fc.assert(
    fc.property(inPieces, fc.integer({ min: 1, max: 50 }), ({ text, pieces }, maxBytes) => {
      const tail = createOutputTail(maxBytes);
      for (const piece of pieces) {
        tail.add(piece);
      }
      const kept = tail.text();
      expect(kept).not.toMatch(/[^\P{Cc}\n\t]/u);
      expect(kept.startsWith("...")).toBe(Buffer.byteLength(text) > maxBytes);
    }),
  );
  const tail = createOutputTail(10);
  tail.add(Buffer.from("0123456789"));
  tail.add(Buffer.from("abc\u001b[1md\n"));
  expect(tail.text()).toBe("...9abcd");
});

test.each([
  ["no line end", "x", 1],
  ["line ends alone", "\n", 2 ** 16],
  ["lines that are a little too long", `${"y".repeat(65)}\n`, 1],
])("however much of it comes at once, each byte is searched about once: %s", (_, text, times) => {
  const maxBytes = 64;
  const bytes = Buffer.from(text.repeat((times * 2 ** 16) / (times === 1 ? text.length : 2 ** 16)));
  let searched = 0;
  const indexOf = vi.spyOn(Buffer.prototype, "indexOf").mockImplementation(function (this: Buffer, value) {
    const at = Array.prototype.indexOf.call(this, String(value).charCodeAt(0));
    searched += at === -1 ? this.byteLength : at + 1;
    return at;
  });
  let lines = 0;
  try {
    createLineSplitter(maxBytes, () => {
      lines++;
    }).add(bytes);
  } finally {
    indexOf.mockRestore();
  }
  expect(lines).toBeGreaterThan(bytes.byteLength / (maxBytes + 2) - 2);
  expect(searched).toBeLessThan(bytes.byteLength * 3);
});
