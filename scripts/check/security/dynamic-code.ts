import type { Scan } from "./scan.ts";
import { lastName, type Node, nodesOf, stringOf } from "./source.ts";

const globals = new Set(["globalThis", "window", "self", "global"]);
const timers = new Set(["setTimeout", "setInterval", "setImmediate"]);

/** Code made at run time: eval, Function, node:vm. Workers forbid it, and what reaches it is executed. */
export const dynamicCode: Scan = {
  name: "dynamic-code",
  *find(source) {
    for (const type of ["CallExpression", "NewExpression"] as const) {
      for (const { node } of nodesOf(source, type)) {
        const name = globalName(node.callee);
        if (name === "eval" || name === "Function") {
          yield { node, message: `${name} runs text as code: write the code, or parse the text` };
        }
        if (name !== undefined && timers.has(name) && stringOf(node.arguments[0]) !== undefined) {
          yield { node, message: `${name} with a string runs it as code: give it a function` };
        }
      }
    }
    for (const { node } of nodesOf(source, "ImportDeclaration")) {
      if (/^(?:node:)?vm$/.test(node.source.value)) {
        yield { node, message: "node:vm runs text as code, and is no sandbox" };
      }
    }
    for (const { node } of nodesOf(source, "ImportExpression")) {
      const head = node.source.type === "TemplateLiteral" ? node.source.quasis[0]?.value.raw : stringOf(node.source);
      if (head?.startsWith("data:")) {
        yield { node, message: "an import from data: runs text as code" };
      }
    }
  },
};

/** The name of a global, also where it is read of the global object. */
function globalName(callee: Node): string | undefined {
  if (callee.type === "Identifier") {
    return callee.name;
  }
  return callee.type === "MemberExpression" && callee.object.type === "Identifier" && globals.has(callee.object.name)
    ? lastName(callee)
    : undefined;
}
