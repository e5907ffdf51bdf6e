import { printable } from "../plugin/printable.ts";

/** Keeps the end of what a process printed, for error messages. */
export interface OutputTail {
  add(chunk: Buffer): void;
  /** What was kept, without control characters; empty if nothing was printed. */
  text(): string;
}

/** Keeps at most so many bytes. */
export function createOutputTail(maxBytes: number): OutputTail {
  let kept = Buffer.alloc(0);
  let cut = false;
  return {
    add(chunk) {
      const all = Buffer.concat([kept, chunk.subarray(-maxBytes)]);
      cut ||= kept.byteLength + chunk.byteLength > maxBytes;
      kept = all.subarray(-maxBytes);
    },
    text() {
      const text = printable(kept.toString("utf8")).trimEnd();
      return cut ? `...${text}` : text;
    },
  };
}

/** Longest line that is handed on in one piece. */
export const maxLineBytes = 64 * 1024;

/** Splits chunks into lines; a line longer than `maxBytes` is handed on in pieces. */
export function createLineSplitter(maxBytes: number, onLine: (line: string) => void) {
  let rest = Buffer.alloc(0);
  return {
    add(chunk: Buffer) {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const lineEnd = rest.indexOf("\n");
        const whole = lineEnd !== -1 && lineEnd <= maxBytes;
        if (!whole && rest.byteLength < maxBytes) {
          return;
        }
        const length = whole ? lineEnd : maxBytes;
        onLine(rest.subarray(0, length).toString("utf8").replace(/\r$/, ""));
        rest = rest.subarray(whole ? length + 1 : length);
      }
    },
    end() {
      if (rest.byteLength > 0) {
        onLine(rest.toString("utf8"));
        rest = Buffer.alloc(0);
      }
    },
  };
}
