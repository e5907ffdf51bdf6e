/** A parsed module, as the scans read it. */
import { type Node, parseSync, visitorKeys } from "oxc-parser";

export type { Node };

/** A node with the one that holds it. */
export interface Place<N extends Node = Node> {
  readonly node: N;
  readonly parent: Place | undefined;
}

export interface Source {
  readonly file: string;
  readonly text: string;
  /** Every node, outermost first. */
  readonly places: readonly Place[];
  readonly comments: readonly { readonly value: string; readonly start: number; readonly end: number }[];
}

/** @throws Error if the text is no TypeScript. */
export function parseSource(file: string, text: string): Source {
  const { program, comments, errors } = parseSync(file, text, { sourceType: "module", preserveParens: false });
  const fault = errors.find(({ severity }) => severity === "Error");
  if (fault !== undefined) {
    throw new Error(`${file}: ${fault.message}`);
  }
  return { file, text, places: [...placesIn(program, undefined)], comments };
}

function* placesIn(node: Node, parent: Place | undefined): Generator<Place> {
  const place = { node, parent };
  yield place;
  for (const key of visitorKeys[node.type] ?? []) {
    const value: unknown = Reflect.get(node, key);
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) {
        yield* placesIn(child, place);
      }
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}

/** All of one type. */
export function* nodesOf<T extends Node["type"]>(
  { places }: Source,
  type: T,
): Generator<Place<Extract<Node, { readonly type: T }>>> {
  for (const place of places) {
    if (isOf(place, type)) {
      yield place;
    }
  }
}

function isOf<T extends Node["type"]>(place: Place, type: T): place is Place<Extract<Node, { readonly type: T }>> {
  return place.node.type === type;
}

/** The nodes around a place, nearest first. */
export function* around(place: Place): Generator<Node> {
  for (let outer = place.parent; outer !== undefined; outer = outer.parent) {
    yield outer.node;
  }
}

/** The nodes within a node, itself included. */
export function* within(node: Node): Generator<Node> {
  for (const place of placesIn(node, undefined)) {
    yield place.node;
  }
}

/** The text of a string, or of a template without values. */
export function stringOf(node: Node | undefined): string | undefined {
  if (node?.type === "Literal" && typeof node.value === "string") {
    return node.value;
  }
  return node?.type === "TemplateLiteral" && node.expressions.length === 0
    ? (node.quasis[0]?.value.cooked ?? undefined)
    : undefined;
}

/** The last word of what is called or read: `mkdtemp` of `fs.promises.mkdtemp`. */
export function lastName(node: Node): string | undefined {
  switch (node.type) {
    case "Identifier":
    case "PrivateIdentifier":
      return node.name;
    case "MemberExpression":
      return node.computed ? stringOf(node.property) : lastName(node.property);
    case "ChainExpression":
      return lastName(node.expression);
    default:
      return undefined;
  }
}

/** The name of a property, also if it is quoted. */
export function keyOf(node: Extract<Node, { readonly type: "Property" }>): string | undefined {
  return node.computed ? stringOf(node.key) : (stringOf(node.key) ?? lastName(node.key));
}

/** The names here of what a module exports, by the names there; `*` is all of it. */
export function importedFrom(source: Source, module: string): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { node } of nodesOf(source, "ImportDeclaration")) {
    if (node.source.value.replace(/^node:/, "") !== module) {
      continue;
    }
    for (const specifier of node.specifiers) {
      const there = specifier.type === "ImportSpecifier" ? (lastName(specifier.imported) ?? "default") : "*";
      names.set(specifier.local.name, there);
    }
  }
  return names;
}
