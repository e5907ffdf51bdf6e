import type { Scan } from "./scan.ts";
import { lastName, type Node, nodesOf, stringOf } from "./source.ts";

const listens = new Set(["on", "once", "addListener", "addEventListener", "prependListener"]);
const message = "an error is dropped: handle it, or let it through";

/** Errors that nothing is done about: what went wrong leaves no trace. */
export const emptyCatch: Scan = {
  name: "empty-catch",
  *find(source) {
    for (const { node } of nodesOf(source, "CatchClause")) {
      if (isEmpty(node.body)) {
        // At its end, so that a comment in it can allow it.
        yield { node: { start: node.end - 1 }, message };
      }
    }
    for (const { node } of nodesOf(source, "CallExpression")) {
      const handler = errorHandler(lastName(node.callee) ?? "", node.arguments);
      if (handler !== undefined && doesNothing(handler)) {
        yield { node: handler, message };
      }
    }
  },
};

/** The argument that is called with an error, and with nothing else. */
function errorHandler(method: string, [first, second]: readonly Node[]): Node | undefined {
  if (method === "catch") {
    return first;
  }
  return method === "then" || (listens.has(method) && stringOf(first) === "error") ? second : undefined;
}

function doesNothing(handler: Node): boolean {
  return (
    (handler.type === "ArrowFunctionExpression" || handler.type === "FunctionExpression") &&
    handler.body?.type === "BlockStatement" &&
    isEmpty(handler.body)
  );
}

function isEmpty({ body }: { readonly body: readonly Node[] }): boolean {
  return body.every(({ type }) => type === "EmptyStatement");
}
