import { compile, parse, postprocess, preprocess } from "micromark";
import { gfm, gfmHtml } from "micromark-extension-gfm";
import { decodeString } from "micromark-util-decode-string";
import type { Event, Token } from "micromark-util-types";

/** The dialect of Markdown to understand. */
export interface Dialect {
  /** GitHub Flavored Markdown beside CommonMark. */
  readonly gfm: boolean;
}

/** A heading, and where it stands. */
export interface Heading {
  /** 1 to 6. */
  readonly level: number;
  readonly text: string;
  /** The first line of the document is 1. */
  readonly line: number;
}

/** Turns Markdown into HTML. Raw HTML and dangerous links come out as text. */
export function toHtml(markdown: string, dialect: Dialect): string {
  return compile({ htmlExtensions: dialect.gfm ? [gfmHtml()] : [] })(tokenize(markdown, dialect));
}

/** Finds headings in the order of the document. */
export function* findHeadings(markdown: string, dialect: Dialect): Generator<Heading> {
  let level = 0;
  let text = "";
  const skipped: Token[] = [];
  for (const [enterOrExit, token, context] of tokenize(markdown, dialect)) {
    if (enterOrExit === "enter") {
      if (token.type === "atxHeading" || token.type === "setextHeading") {
        level = 0;
        text = "";
      } else if (token.type === "atxHeadingSequence" && level === 0) {
        level = context.sliceSerialize(token).length;
      } else if (token.type === "setextHeadingLineSequence") {
        level = context.sliceSerialize(token).startsWith("=") ? 1 : 2;
      } else if (notText.has(token.type)) {
        skipped.push(token);
      } else if (skipped.length === 0 && textTypes.has(token.type)) {
        text += decodeString(context.sliceSerialize(token));
      } else if (skipped.length === 0 && rawTypes.has(token.type)) {
        text += context.sliceSerialize(token);
      } else if (token.type === "lineEnding") {
        text += " ";
      }
    } else if (token === skipped.at(-1)) {
      skipped.pop();
    } else if (token.type === "atxHeading" || token.type === "setextHeading") {
      yield { level, text: text.trim(), line: token.start.line };
    }
  }
}

/** Parts of a link or of raw HTML that no reader sees. */
const notText: ReadonlySet<string> = new Set(["resource", "reference", "htmlText"]);
const textTypes: ReadonlySet<string> = new Set(["characterEscape", "characterReference"]);
const rawTypes: ReadonlySet<string> = new Set(["data", "codeTextData", "autolinkProtocol", "autolinkEmail"]);

function tokenize(markdown: string, dialect: Dialect): Event[] {
  const parser = parse({ extensions: dialect.gfm ? [gfm()] : [] });
  return postprocess(parser.document().write(preprocess()(markdown, undefined, true)));
}
