import type { Scan } from "./scan.ts";
import { keyOf, lastName, type Node, nodesOf, within } from "./source.ts";

const wholeBody = new Set(["arrayBuffer", "blob", "bytes", "formData", "json", "text"]);
const limits = new Set(["maxBuffer", "maxPayload", "maxHeaderSize", "maxHeaderListPairs", "highWaterMark"]);
const growing = new Set(["push", "write", "append"]);

/** Memory that the other side may fill: whole bodies, limits switched off, chunks collected without an end. */
export const unbounded: Scan = {
  name: "unbounded",
  *find(source) {
    for (const { node } of nodesOf(source, "ImportDeclaration")) {
      if (/^(?:node:)?stream\/consumers$/.test(node.source.value)) {
        yield { node, message: "stream/consumers reads on without a limit: count what has come" };
      }
    }
    for (const { node } of nodesOf(source, "Property")) {
      const name = keyOf(node) ?? "";
      if (limits.has(name) && isEndless(name, node.value)) {
        yield { node, message: `${name} is no limit: give a number` };
      }
    }
    for (const { node } of nodesOf(source, "CallExpression")) {
      const name = node.callee.type === "MemberExpression" ? (lastName(node.callee) ?? "") : "";
      if (wholeBody.has(name) && node.arguments.length === 0 && isBody(node.callee)) {
        yield { node, message: `${name}() reads a body of any size: count what has come` };
      }
      const [event, listener] = node.arguments;
      if (name === "on" && event?.type === "Literal" && event.value === "data" && listener && collects(listener)) {
        yield { node, message: "collects all that comes: stop at a limit" };
      }
    }
    for (const { node } of nodesOf(source, "ForOfStatement")) {
      if (node.await && collects(node.body)) {
        yield { node, message: "collects all that comes: stop at a limit" };
      }
    }
  },
};

/** True for a method of a request or a response, by the name of its object, or of what fetch returns. */
function isBody(callee: Node): boolean {
  const of = callee.type === "MemberExpression" ? callee.object : callee;
  return of.type === "AwaitExpression" || /(?:req|request|res|response|reply|body|blob)$/i.test(lastName(of) ?? "");
}

function isEndless(name: string, value: Node): boolean {
  if (value.type === "Literal") {
    return name === "maxPayload" && value.value === 0;
  }
  return ["Infinity", "POSITIVE_INFINITY", "MAX_SAFE_INTEGER", "MAX_VALUE"].includes(lastName(value) ?? "");
}

/** True if it keeps what it is given, and has no condition on which it would stop. */
function collects(body: Node): boolean {
  const nodes = [...within(body)];
  const keeps = nodes.some(
    (node) =>
      (node.type === "CallExpression" &&
        node.callee.type === "MemberExpression" &&
        growing.has(lastName(node.callee) ?? "")) ||
      (node.type === "AssignmentExpression" && node.operator === "+="),
  );
  return keeps && !nodes.some(isCondition);
}

function isCondition(node: Node): boolean {
  return (
    node.type === "IfStatement" ||
    node.type === "ConditionalExpression" ||
    (node.type === "CallExpression" && /^(?:check|assert)/.test(lastName(node.callee) ?? ""))
  );
}
