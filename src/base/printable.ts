const esc = "\u001b";
const bell = "\u0007";
/** The end of a string that is meant for the terminal, in seven bits or as one character. */
const stringEnd = `(?:${bell}|${esc}\\\\|\u009c)`;

/** The control sequences of ECMA-48: those with parameters, strings up to their end, and those of a few characters. */
// allowed backtracking: made of constants; each part ends where the next can't begin.
const sequences = new RegExp(
  [
    `(?:${esc}\\[|\u009b)[0-?]*[ -/]*[@-~]`,
    `(?:${esc}[PX\\]^_]|[\u0090\u0098\u009d-\u009f])[^\n${bell}${esc}\u0080-\u009f]*${stringEnd}`,
    `${esc}[ -/]*[0-~]`,
  ].join("|"),
  "gu",
);

/** Leaves out what a terminal would obey: control sequences, and control characters but for line ends and tabs. */
export function printable(text: string): string {
  return text.replace(sequences, "").replace(/[^\P{Cc}\n\t]/gu, "");
}

/** Longest text from elsewhere that is shown in a line of ours, in UTF-16 code units. */
const maxLineLength = 300;

/**
 * Makes one line of a text from elsewhere that can stand within ours: also without what would turn the direction of
 * writing, and cut if it is long.
 */
export function printableLine(text: string): string {
  const line = printable(text)
    .replace(/[\n\t\p{Zl}\p{Zp}]/gu, " ")
    .replace(/\p{Bidi_Control}/gu, "");
  // Not within a surrogate pair.
  return line.length > maxLineLength ? `${line.slice(0, maxLineLength).replace(/[\uD800-\uDBFF]$/, "")}...` : line;
}
