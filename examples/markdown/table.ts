/** Lays rows out in columns of equal width; what starts with a digit is aligned to the right. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return /^\d/.test(rows[0]?.[column] ?? "") ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

/** Breaks lines between words so that they fit; what goes on below is indented by four more than its line. */
export function wrap(text: string, columns: number): string {
  return text
    .split("\n")
    .map((line) => {
      const indent = " ".repeat(line.length - line.trimStart().length);
      const lines: string[] = [];
      for (const word of line.trim().split(" ")) {
        const longer = lines.length === 0 ? `${indent}${word}` : `${lines.at(-1)} ${word}`;
        if (longer.length <= columns || lines.length === 0) {
          lines.splice(-1, 1, longer);
        } else {
          lines.push(`${indent}    ${word}`);
        }
      }
      return lines.join("\n");
    })
    .join("\n");
}
