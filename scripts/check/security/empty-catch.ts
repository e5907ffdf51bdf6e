import type { Scan } from "./scan.ts";
import { lastName, type Node, nodesOf } from "./source.ts";

/** Errors that nothing is done about: what went wrong leaves no trace. */
export const emptyCatch: Scan = {
  name: "empty-catch",
  *find(source) {
    for (const { node } of nodesOf(source, "CatchClause")) {
      if (node.body.body.length === 0) {
        // At its end, so that a comment in it can allow it.
        yield { node: { start: node.end - 1 }, message: "an error is dropped: handle it, or let it through" };
      }
    }
    for (const { node } of nodesOf(source, "CallExpression")) {
      const handler = lastName(node.callee) === "catch" ? node.arguments[0] : undefined;
      if (handler !== undefined && doesNothing(handler)) {
        yield { node, message: "an error is dropped: handle it, or let it through" };
      }
    }
  },
};

function doesNothing(handler: Node): boolean {
  if (handler.type !== "ArrowFunctionExpression" && handler.type !== "FunctionExpression") {
    return false;
  }
  const { body } = handler;
  return body?.type === "BlockStatement" && body.body.length === 0;
}
