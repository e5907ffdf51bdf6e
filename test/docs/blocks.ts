import { readFileSync } from "node:fs";

/** A fenced block of a page. */
export interface Block {
  readonly page: string;
  /** Of its first line, from 1. */
  readonly line: number;
  readonly language: string;
  /** The file that it is: named after the language, or by the first line, `// name.ts`. */
  readonly file: string | undefined;
  readonly text: string;
  /** Nothing but space stands between it and the block above, and it is `text`: what that block's commands print. */
  readonly printed: boolean;
}

const fence =
  /(?:<!-- given:\n(?<given>(?:(?!-->)[\s\S])*)-->\n)?^```(?<language>\w+)(?: (?<file>\S+))?\n(?<body>[\s\S]*?)^```$/gm;

/** The blocks of a page, in order. What its readers know from the text around stands above one, `<!-- given: … -->`. */
export function blocksOf(page: string, path: string): readonly Block[] {
  const source = readFileSync(path, "utf8");
  let end = 0;
  return [...source.matchAll(fence)].map(({ 0: all, index, groups = {} }) => {
    const { given = "", language = "", file, body = "" } = groups;
    const above = source.slice(end, index);
    const line = source.slice(0, index + all.indexOf("```")).split("\n").length + 1;
    end = index + all.length;
    return {
      page,
      line,
      language,
      file: file ?? /^\/\/ ([\w./-]+\.ts)\b/.exec(body)?.[1],
      text: given + body,
      printed: language === "text" && above.trim() === "",
    };
  });
}
