import type { Scan } from "./scan.ts";
import { keyOf, lastName, type Node, nodesOf, stringOf } from "./source.ts";

const oldProtocols = new Set(["TLSv1", "TLSv1.1", "SSLv3"]);

/** TLS whose other side is not verified, or that is too old. */
export const tls: Scan = {
  name: "tls",
  *find(source) {
    for (const { node } of nodesOf(source, "Property")) {
      const fault = faultOf(keyOf(node), node.value);
      if (fault !== undefined) {
        yield { node, message: fault };
      }
    }
    for (const { node } of nodesOf(source, "AssignmentExpression")) {
      const fault = faultOf(lastName(node.left), node.right);
      if (fault !== undefined) {
        yield { node, message: fault };
      }
    }
  },
};

function faultOf(name: string | undefined, value: Node): string | undefined {
  switch (name) {
    case "rejectUnauthorized":
      return value.type === "Literal" && value.value === true
        ? undefined
        : "rejectUnauthorized is not plainly true: the other side may be anyone";
    case "NODE_TLS_REJECT_UNAUTHORIZED":
      return "NODE_TLS_REJECT_UNAUTHORIZED switches verification off for the whole process";
    case "checkServerIdentity":
      return "checkServerIdentity replaces the check of the name: a certificate for another name may pass";
    case "minVersion":
    case "secureProtocol":
      return oldProtocols.has(stringOf(value) ?? "") ? `${name} allows a TLS before 1.2` : undefined;
    default:
      return undefined;
  }
}
