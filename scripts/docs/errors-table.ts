/**
 * Writes the list in docs/errors.md, and the type of all codes in src/base/error-code.ts, from the declarations in every
 * `errors.ts` of src/ and of packages. With --check it only says whether both are up to date.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { ErrorDefinition } from "../../src/base/errors.ts";

const page = "docs/errors.md";
const typeFile = "src/base/error-code.ts";
const [begin, end] = ["<!-- errors: npm run errors -->", "<!-- end of errors -->"];

interface Area {
  readonly file: string;
  /** Such as "Starting a plugin's process", from the comment "Errors of starting a plugin's process." */
  readonly title: string;
  readonly errors: readonly DocumentedError[];
}

interface DocumentedError extends ErrorDefinition {
  readonly errorCode: string;
  readonly happened: string;
  readonly cause: string;
}

const problems: string[] = [];
const sources = globSync(["src/**/*.ts", "packages/*/src/**/*.ts"], {
  exclude: (path) => /(^|\/)gen(\/|$)/.test(path),
});
const areas = (await Promise.all(sources.filter((file) => /\bdefineErrors\(/.test(codeOf(file))).map(areaOf)))
  .flat()
  .sort((one, other) => (one.title < other.title ? -1 : 1));

/** Several files may declare errors of one area. */
const titles = new Set(areas.map(({ title }) => title));

const declaredIn = new Map<string, string>();
for (const { file, errors } of areas) {
  for (const { errorCode, hint, happened, cause } of errors) {
    const other = declaredIn.get(errorCode);
    if (other !== undefined) {
      problems.push(`${errorCode} is declared in ${other} and in ${file}: rename one of them`);
    }
    declaredIn.set(errorCode, file);
    if (file.startsWith("src/") !== /^PB-[A-Z]+(-[A-Z]+)*$/.test(errorCode)) {
      problems.push(`${errorCode} in ${file}: codes of the core, and only those, are PB- and words in capital letters`);
    }
    if (happened === "" || cause === "") {
      problems.push(
        `${errorCode} in ${file}: write a comment above it, a sentence of what happened and then the cause`,
      );
    }
    if (!/\S[.]$/.test(hint)) {
      problems.push(`${errorCode} in ${file}: its hint has to be whole sentences`);
    }
  }
}

const present = readFileSync(page, "utf8");
const [from, to] = [present.indexOf(begin), present.indexOf(end)];
if (from === -1 || to < from) {
  throw new Error(`${page} lacks the lines between which the list goes: ${begin} and ${end}`);
}
const outputs = [
  [
    page,
    `${present.slice(0, from)}${begin}\n\n${contents()}\n\n${[...titles].map(section).join("\n\n")}\n\n${present.slice(to)}`,
  ],
  [typeFile, unionType()],
] as const;

if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exitCode = 1;
} else if (!process.argv.includes("--check")) {
  for (const [file, text] of outputs) {
    writeFileSync(file, text);
  }
} else {
  const stale = outputs.filter(([file, text]) => readFileSync(file, "utf8") !== text).map(([file]) => file);
  if (stale.length > 0) {
    console.error(`${stale.join(" and ")} do not match the declarations of errors, run: npm run errors`);
    process.exitCode = 1;
  } else {
    console.log(`the list of ${declaredIn.size} error codes is up to date`);
  }
}

/** The text of a file without its comments, which may have examples in them. */
function codeOf(file: string): string {
  return file === "src/base/errors.ts" ? "" : readFileSync(file, "utf8").replace(/^\s*(?:\/?\*|\/\/).*$/gm, "");
}

async function areaOf(file: string): Promise<readonly Area[]> {
  if (!file.endsWith("/errors.ts")) {
    problems.push(`${file} declares errors: do it in the file errors.ts of its folder`);
  }
  const source = readFileSync(file, "utf8");
  const title = /^\/\*\* Errors of (.*)\. \*\/\nexport const \w+ = \/\* @__PURE__ \*\/ defineErrors\(/m.exec(
    source,
  )?.[1];
  if (title === undefined) {
    problems.push(`${file}: begin with /** Errors of ... */, and annotate defineErrors() as pure`);
  }
  const comments = new Map(
    Array.from(source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*"([^"]+)": \{/g), ([, comment = "", code = ""]) => [
      code,
      comment.replace(/\s*\n\s*\*?\s*/g, " ").trim(),
    ]),
  );
  const exported: readonly unknown[] = Object.values(await import(resolve(file)));
  const errors = exported.flatMap(definitionsOf).map(([errorCode, definition]) => {
    const [, happened = "", cause = ""] = /^(.*?[.])\s+(.*)$/.exec(comments.get(errorCode) ?? "") ?? [];
    return { errorCode, happened, cause, ...definition };
  });
  return [{ file, title: `${title?.[0]?.toUpperCase()}${title?.slice(1)}`, errors }];
}

function definitionsOf(value: unknown): readonly (readonly [string, ErrorDefinition])[] {
  return typeof value === "function" && "definitions" in value ? Object.entries(Object(value.definitions)) : [];
}

function contents(): string {
  return [...titles]
    .map(
      (title) =>
        `- [${title}](#${title
          .toLowerCase()
          .replace(/[^\w\- ]/g, "")
          .replaceAll(" ", "-")})`,
    )
    .join("\n");
}

function section(title: string): string {
  const errors = areas.flatMap((area) => (area.title === title ? area.errors : []));
  return [`## ${title}`, ...errors.map(entry)].join("\n\n");
}

function entry({ errorCode, code, happened, cause, hint }: DocumentedError): string {
  return [
    `### ${errorCode}`,
    "",
    `- What happened: ${happened}`,
    `- Cause: ${cause}`,
    `- Cure: ${hint}`,
    `- Connect code: \`${codeToString(Code[code])}\``,
  ].join("\n");
}

function unionType(): string {
  const codes = areas
    .filter(({ file }) => file.startsWith("src/"))
    .flatMap(({ errors }) => errors.map(({ errorCode }) => errorCode))
    .sort();
  return [
    "// Written by `npm run errors` from the declarations in every errors.ts. It is here so that a misspelt code does not compile.",
    "",
    '/** Stable code of an error of Plugboard, such as "PB-HANDSHAKE-TIMEOUT". docs/errors.md has the cause and cure of each. */',
    "export type ErrorCode =",
    `${codes.map((code) => `  | "${code}"`).join("\n")};`,
    "",
  ].join("\n");
}
