import type { Scan } from "./scan.ts";
import { importedFrom, lastName, type Node, nodesOf, stringOf } from "./source.ts";

const joiners = new Set(["join", "resolve"]);

/**
 * Paths joined of a folder and something that is not known to stay below it: what comes from outside can have "..", be
 * absolute, or lead on by a link.
 */
export const paths: Scan = {
  name: "paths",
  *find(source) {
    const imported = importedFrom(source, "path");
    for (const { node } of nodesOf(source, "CallExpression")) {
      const [folder, ...parts] = node.arguments;
      if (!joiners.has(joinerOf(node.callee, imported) ?? "") || folder === undefined || isWorkingDirectory(folder)) {
        continue;
      }
      if (!parts.every(staysBelow)) {
        yield {
          node,
          message: "what is joined to the folder may lead out of it: check it first, and say where it comes from",
        };
      }
    }
  },
};

/** The name that node:path has for a function that is called by its own name here, or as one of the module's. */
function joinerOf(callee: Node, imported: ReadonlyMap<string, string>): string | undefined {
  const name = lastName(callee);
  if (name === undefined) {
    return undefined;
  }
  if (callee.type === "Identifier") {
    return imported.get(name);
  }
  const module = callee.type === "MemberExpression" ? lastName(callee.object) : undefined;
  return ["*", "default"].includes(imported.get(module ?? "") ?? "") ? name : undefined;
}

/** True for the working directory: a path from there may lead anywhere, as one in a command does. */
function isWorkingDirectory(folder: Node): boolean {
  switch (folder.type) {
    case "LogicalExpression":
      return isWorkingDirectory(folder.left);
    case "CallExpression":
      return lastName(folder.callee) === "cwd";
    default:
      return lastName(folder) === "cwd";
  }
}

/** True if it is written out, or of digits and letters only. */
function staysBelow(part: Node): boolean {
  if (part.type === "ConditionalExpression") {
    return staysBelow(part.consequent) && staysBelow(part.alternate);
  }
  const text = stringOf(part);
  if (text !== undefined) {
    return !/(?:^|\/)\.\.(?:\/|$)|^\//.test(text);
  }
  if (part.type === "TemplateLiteral") {
    return part.quasis.every(({ value }) => !/\.\.|^\//.test(value.raw)) && part.expressions.every(isPlain);
  }
  return isPlain(part);
}

function isPlain(value: Node): boolean {
  if (value.type === "CallExpression") {
    return lastName(value.callee) === "randomUUID" || value.arguments.some((each) => stringOf(each) === "hex");
  }
  return value.type === "MemberExpression" && lastName(value.object) === "process" && lastName(value) === "pid";
}
