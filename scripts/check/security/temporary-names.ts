import type { Scan } from "./scan.ts";
import { around, lastName, type Node, nodesOf, type Place } from "./source.ts";

const makers = new Set(["mkdtemp", "mkdtempSync", "mkdtempDisposable", "mkdtempDisposableSync"]);
const sharedFolder = /^\/(?:var\/)?tmp\//;

/** Names in the shared temporary folder that another user can guess and take first. */
export const temporaryNames: Scan = {
  name: "temporary-names",
  *find(source) {
    for (const place of nodesOf(source, "CallExpression")) {
      if (lastName(place.node.callee) === "tmpdir" && isExtended(place) && !isGivenToMaker(place)) {
        yield { node: place.node, message: "a path below tmpdir() that can be guessed: make a folder with mkdtemp" };
      }
    }
    for (const place of nodesOf(source, "Literal")) {
      const { value } = place.node;
      if (typeof value === "string" && sharedFolder.test(value) && !isGivenToMaker(place)) {
        yield { node: place.node, message: `${value} can be guessed: make a folder with mkdtemp` };
      }
    }
    for (const place of nodesOf(source, "TemplateElement")) {
      if (sharedFolder.test(place.node.value.raw) && !isGivenToMaker(place)) {
        yield { node: place.node, message: "a path below /tmp that can be guessed: make a folder with mkdtemp" };
      }
    }
    for (const place of nodesOf(source, "MemberExpression")) {
      const { node } = place;
      if (lastName(node.object) === "Math" && lastName(node) === "random" && [...around(place)].some(makesText)) {
        yield { node, message: "Math.random can be predicted: use crypto.randomUUID or getRandomValues" };
      }
    }
  },
};

/** True if more is joined to it. */
function isExtended({ node, parent }: Place): boolean {
  const outer = parent?.node;
  return (
    outer?.type === "TemplateLiteral" ||
    (outer?.type === "BinaryExpression" && outer.operator === "+") ||
    (outer?.type === "CallExpression" && outer.callee !== node && outer.arguments.length > 1)
  );
}

function makesText(node: Node): boolean {
  return node.type === "TemplateLiteral" || (node.type === "MemberExpression" && lastName(node) === "toString");
}

function isGivenToMaker(place: Place): boolean {
  return [...around(place)].some((node) => node.type === "CallExpression" && makers.has(lastName(node.callee) ?? ""));
}
