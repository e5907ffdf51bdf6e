import { printable } from "../base/printable.ts";

/** Keeps the end of what a process printed, for error messages. */
export interface OutputTail {
  add(chunk: Buffer): void;
  /** The kept output, without control characters; empty if nothing was printed. */
  text(): string;
}

/** Lines that an error shows of output that came bit by bit, and of what came at once: a crash prints its cause first. */
const maxTailLines = 12;
const maxBurstLines = 40;

/** After so long a silence, in milliseconds, what is printed is of something else. */
const burstGapMs = 1_000;

/** Keeps at most so many bytes. */
export function createOutputTail(maxBytes: number): OutputTail {
  let kept = Buffer.alloc(0);
  let cut = false;
  /** Bytes that were printed since the last silence. */
  let burstBytes = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  return {
    add(chunk) {
      const now = performance.now();
      burstBytes = chunk.byteLength + (now - lastAt < burstGapMs ? burstBytes : 0);
      lastAt = now;
      const all = Buffer.concat([kept, chunk.subarray(-maxBytes)]);
      cut ||= kept.byteLength + chunk.byteLength > maxBytes;
      kept = all.subarray(-maxBytes);
    },
    text() {
      const text = printable(kept.toString("utf8")).trimEnd();
      const lines = text.split("\n");
      const inBurst = printable(kept.subarray(-burstBytes).toString("utf8")).trimEnd().split("\n").length;
      // What was printed last is what it ended of; what comes before was mostly dealt with.
      const shown = Math.min(Math.max(maxTailLines, inBurst), maxBurstLines);
      return cut || lines.length > shown ? `...${lines.slice(-shown).join("\n")}` : text;
    },
  };
}

/** Longest line that is handed on in one piece. */
export const maxLineBytes = 64 * 1024;

/** Splits chunks into lines; a line longer than `maxBytes` is handed on in pieces, of whole characters. */
export function createLineSplitter(maxBytes: number, onLine: (line: string) => void) {
  let rest: Buffer = Buffer.alloc(0);
  return {
    add(chunk: Buffer) {
      rest = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (;;) {
        // No further: what is left can be much longer, and would be searched again for each piece.
        const lineEnd = rest.subarray(0, maxBytes + 2).indexOf("\n");
        if (lineEnd === -1 && rest.byteLength <= maxBytes + 1) {
          // It may be a part of something larger, which would be kept with it.
          rest = Buffer.from(rest);
          return;
        }
        const isWhole = lineEnd !== -1 && lineEnd <= maxBytes + (rest[maxBytes] === carriageReturn ? 1 : 0);
        const length = isWhole ? lineEnd : characterStart(rest, maxBytes);
        const text = rest.subarray(0, length).toString("utf8");
        // Before the line is handed on: its listener may throw.
        rest = rest.subarray(isWhole ? length + 1 : length);
        onLine(isWhole ? text.replace(/\r$/, "") : text);
      }
    },
    end() {
      if (rest.byteLength > 0) {
        const text = rest.toString("utf8");
        rest = Buffer.alloc(0);
        onLine(text);
      }
    },
  };
}

const carriageReturn = 0x0d;

/** The last place up to `at` where a character of UTF-8 begins; `at` if there is none near, as in what is no text. */
function characterStart(bytes: Buffer, at: number): number {
  for (let start = at; start > 0 && start > at - 4; start--) {
    if (((bytes[start] ?? 0) & 0xc0) !== 0x80) {
      return start;
    }
  }
  return at;
}
