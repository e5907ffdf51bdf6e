/**
 * Writes docs/reference/api.md from the doc comments of all that the entry points export. With --check it only says whether
 * the page is up to date. An export without a doc comment fails either.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Node } from "typescript/unstable/ast";
import { API, type Checker, type Symbol as Declared, type Project, SymbolFlags } from "typescript/unstable/sync";

const file = "docs/reference/api.md";
const entries = [
  ["plugboard", "src/index.ts"],
  ["plugboard/node", "src/node.ts"],
  ["plugboard/edge", "src/edge.ts"],
  ["plugboard/telemetry", "src/telemetry.ts"],
] as const;

const api = new API();
const config = resolve("tsconfig.json");
const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
if (project === undefined) {
  throw new Error(`TypeScript can't open ${config}`);
}
const undocumented: string[] = [];
const sections = entries.map(([name, path]) => sectionOf(name, path, project));
api.close();

const fresh = `# API

After this page you know every export, what it promises and what it takes. It is made from the doc comments by \`npm run api\`.

${sections.join("\n")}`;

if (undocumented.length > 0) {
  console.error(`these exports have no doc comment: ${undocumented.join(", ")}`);
  process.exitCode = 1;
} else if (!process.argv.includes("--check")) {
  writeFileSync(file, fresh);
} else if (fresh !== readFileSync(file, "utf8")) {
  console.error(`${file} does not match the doc comments, run: npm run api`);
  process.exitCode = 1;
} else {
  console.log(`${file} is up to date, and every export has a doc comment`);
}

function sectionOf(name: string, path: string, { program, checker }: Project): string {
  const source = program.getSourceFile(resolve(path));
  const module = source && checker.getSymbolAtLocation(source);
  if (module === undefined) {
    throw new Error(`${path} is no module`);
  }
  const exports = checker
    .getExportsOfModule(module)
    .toSorted((one, other) => one.name.localeCompare(other.name, "en"))
    .map((each) => exportOf(each, checker, name));
  return `## ${name}\n\n${exports.join("\n")}`;
}

function exportOf(exported: Declared, checker: Checker, entry: string): string {
  const own = docOf(exported, checker);
  const symbol = (exported.flags & SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported);
  const doc = own || docOf(symbol, checker);
  if (doc === "") {
    undocumented.push(`${exported.name} of ${entry}`);
  }
  const members = (symbol.flags & (SymbolFlags.Interface | SymbolFlags.Class)) === 0 ? [] : membersOf(symbol, checker);
  return [
    `### \`${exported.name}\`\n`,
    `${doc}\n`,
    members.length > 0
      ? `${tableOf(members)}\n`
      : `\`\`\`typescript\n${signatureOf(exported.name, symbol, checker)}\n\`\`\`\n`,
  ].join("\n");
}

/** A doc comment, with what it refers to by {@link} as code. Its examples are no blocks that run by themselves. */
function docOf(symbol: Declared, checker: Checker): string {
  return symbol
    .getDocumentationComment(checker)
    .replaceAll(/\{@link ([^}]+)\}/g, "`$1`")
    .replaceAll(/^```ts$/gm, "```typescript")
    .trim();
}

type Member = readonly [name: string, type: string, doc: string];

function membersOf(symbol: Declared, checker: Checker): readonly Member[] {
  return [...symbol.getMembers().values()]
    .filter(
      ({ flags, name }) =>
        (flags & (SymbolFlags.Property | SymbolFlags.Method | SymbolFlags.Accessor)) !== 0 && !/^[#_]/.test(name),
    )
    .map((member) => {
      const optional = (member.flags & SymbolFlags.Optional) === 0 ? "" : "?";
      return [`${member.name}${optional}`, typeOf(member, checker), docOf(member, checker)];
    });
}

function typeOf(symbol: Declared, checker: Checker): string {
  const type = checker.getTypeOfSymbol(symbol);
  return type === undefined ? "" : checker.typeToString(type).replace(/ \| undefined$/, "");
}

function tableOf(members: readonly Member[]): string {
  const rows = members.map(([name, type, doc]) => `| \`${name}\` | \`${cell(type)}\` | ${cell(doc)} |`);
  return ["| member | type | |", "| --- | --- | --- |", ...rows].join("\n");
}

function cell(text: string): string {
  return text
    .replaceAll(/```\w*\n|```/g, "`")
    .replaceAll(/\s+/g, " ")
    .replaceAll("|", "\\|");
}

/** A function by its type, a type by what it stands for, without comments. */
function signatureOf(name: string, symbol: Declared, checker: Checker): string {
  if ((symbol.flags & SymbolFlags.TypeAlias) === 0) {
    return `${(symbol.flags & SymbolFlags.Function) === 0 ? "const" : "function"} ${name}: ${typeOf(symbol, checker)}`;
  }
  const declaration: Node | undefined = symbol.declarations[0]?.resolve();
  return (declaration?.getText() ?? name).replace(/^\/\*\*[\s\S]*?\*\/\s*/, "").replace(/^export (declare )?/, "");
}
