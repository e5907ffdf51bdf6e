import type { Scan } from "./scan.ts";
import { around, lastName, type Node, nodesOf, type Place } from "./source.ts";

const address = /^(?:http|ws):\/\/(.*)$/s;
/** Loopback, and the names that RFC 2606 and RFC 6761 reserve. */
const harmless =
  /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|(?:[\w-]+\.)*(?:example|test|invalid|localhost)(?:\.(?:com|net|org))?)(?:[:/?#]|$)/i;
/** Calls that read an address and connect to nothing. */
const readers = new Set(["canParse", "startsWith", "parse"]);

/** Addresses without TLS, but those of this machine. */
export const plainHttp: Scan = {
  name: "plain-http",
  *find(source) {
    for (const place of nodesOf(source, "Literal")) {
      const { node } = place;
      if (typeof node.value === "string" && isPlain(node.value, isExtended(place.parent?.node)) && !isOnlyRead(place)) {
        yield { node, message: `${node.value} is not encrypted: use https` };
      }
    }
    for (const place of nodesOf(source, "TemplateLiteral")) {
      const { node } = place;
      const head = node.quasis[0]?.value.cooked ?? "";
      if (isPlain(head, node.expressions.length > 0) && !isOnlyRead(place)) {
        yield { node, message: `${head}… is not encrypted: use https` };
      }
    }
  },
};

/** True if more is joined to it. */
function isExtended(parent: Node | undefined): boolean {
  return parent?.type === "BinaryExpression" && parent.operator === "+";
}

function isPlain(text: string, extended: boolean): boolean {
  const rest = address.exec(text)?.[1];
  return rest !== undefined && (rest === "" ? extended : !harmless.test(rest));
}

function isOnlyRead(place: Place): boolean {
  return [...around(place)].some((node) => node.type === "CallExpression" && readers.has(lastName(node.callee) ?? ""));
}
