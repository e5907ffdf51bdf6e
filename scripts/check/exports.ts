/**
 * Checks that users can name every type that the entry points name: in a signature, in a doc comment, or in the hint of an
 * error. Such a type is exported from an entry point itself.
 */
import { resolve, sep } from "node:path";
import { type Node, SyntaxKind } from "typescript/unstable/ast";
import {
  isBlock,
  isClassDeclaration,
  isIdentifier,
  isPrivateIdentifier,
  isPropertyDeclaration,
  isStringLiteral,
  isVariableDeclaration,
} from "typescript/unstable/ast/is";
import { API, type Symbol as Declared, SymbolFlags } from "typescript/unstable/sync";

const entries = ["src/index.ts", "src/node.ts", "src/edge.ts", "src/telemetry.ts"];
const sources = resolve("src") + sep;
const generated = resolve("src/gen") + sep;

const api = new API();
const config = resolve("tsconfig.json");
const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
if (project === undefined) {
  throw new Error(`TypeScript can't open ${config}`);
}
const { program, checker } = project;

const files = program
  .getSourceFileNames()
  .map((name) => resolve(name))
  .filter((name) => name.startsWith(sources) && !name.startsWith(generated));
const isType = ({ flags }: Declared) =>
  (flags & (SymbolFlags.Interface | SymbolFlags.TypeAlias | SymbolFlags.Class)) !== 0;
const ourTypes = files.flatMap(exportsOf).filter(isType);
const ourNames = new Set(ourTypes.map(({ name }) => name));
const exported = entries.flatMap((entry) => exportsOf(resolve(entry)));
const exportedNames = new Set(exported.map(({ name }) => name));

/** The places that name each type which no entry point exports. */
const missing = new Map<string, Set<string>>();
for (const symbol of exported) {
  for (const declaration of symbol.declarations) {
    const node = declaration.resolve();
    if (node !== undefined && isOurs(node)) {
      readSignature(node, symbol.name);
      for (const [comment] of node.getFullText().matchAll(/\/\*\*[\s\S]*?\*\//g)) {
        readText(comment, `the doc comment of ${symbol.name}`);
      }
    }
  }
}
for (const file of files.filter((name) => name.endsWith(`${sep}errors.ts`))) {
  readHints(program.getSourceFile(file), file.slice(sources.length));
}
api.close();

for (const [name, places] of missing) {
  console.error(`${name} is exported from no entry point, but named by ${[...places].join(", ")}`);
  process.exitCode = 1;
}
if (missing.size === 0) {
  console.log(`every type that the ${exported.length} exports name is exported, too`);
}

/** A module's exports, as they were declared. */
function exportsOf(file: string): readonly Declared[] {
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  return module === undefined ? [] : checker.getExportsOfModule(module).map(declared);
}

function declared(symbol: Declared): Declared {
  return (symbol.flags & SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
}

function isOurs(node: Node): boolean {
  const file = resolve(node.getSourceFile().fileName);
  return file.startsWith(sources) && !file.startsWith(generated);
}

/** Finds the types in what a caller sees of a declaration: no bodies, no initial values, no private members. */
function readSignature(node: Node, place: string): void {
  if (node.kind === SyntaxKind.TypeReference || node.kind === SyntaxKind.ExpressionWithTypeArguments) {
    readReference(node, place);
  }
  const initial = isVariableDeclaration(node) || isPropertyDeclaration(node) ? node.initializer : undefined;
  node.forEachChild((child) => {
    const hidden = isBlock(child) || child === initial || (isClassDeclaration(node) && isPrivate(child));
    if (!hidden) {
      readSignature(child, place);
    }
  });
}

function isPrivate(member: Node): boolean {
  let found = false;
  member.forEachChild((child) => {
    found ||= isPrivateIdentifier(child) || child.kind === SyntaxKind.PrivateKeyword;
  });
  return found;
}

/** Reads a reference. Its first child is a name, or a name of a namespace. */
function readReference(reference: Node, place: string): void {
  let first: Node | undefined;
  reference.forEachChild((child) => {
    first ??= child;
  });
  const symbol = first && isIdentifier(first) ? checker.getSymbolAtLocation(first) : undefined;
  const target = symbol && declared(symbol);
  if (target && isType(target) && target.declarations.some((each) => isOursAt(each.resolve()))) {
    expectExported(target.name, place);
  }
}

function isOursAt(node: Node | undefined): boolean {
  return node !== undefined && isOurs(node);
}

function readHints(node: Node | undefined, file: string): void {
  node?.forEachChild((child) => {
    if (isStringLiteral(child)) {
      readText(child.text, `an error in ${file}`);
    }
    readHints(child, file);
  });
}

/** Names of two words or more, such as CallLimits: a single word may be one of the sentence. */
function readText(text: string, place: string): void {
  for (const [name] of text.matchAll(/\b(?:[A-Z][a-z]+){2,}\b/g)) {
    if (ourNames.has(name)) {
      expectExported(name, place);
    }
  }
}

function expectExported(name: string, place: string): void {
  if (!exportedNames.has(name)) {
    missing.set(name, (missing.get(name) ?? new Set()).add(place));
  }
}
