import { checkSync } from "recheck";
import type { Scan } from "./scan.ts";
import { lastName, nodesOf, stringOf } from "./source.ts";

/** Regular expressions that take more than linear time over some input, and those that are not known before it comes. */
export const backtracking: Scan = {
  name: "backtracking",
  *find(source) {
    for (const { node } of nodesOf(source, "Literal")) {
      if ("regex" in node) {
        const fault = faultOf(node.regex.pattern, node.regex.flags);
        if (fault !== undefined) {
          yield { node, message: fault };
        }
      }
    }
    for (const type of ["CallExpression", "NewExpression"] as const) {
      for (const { node } of nodesOf(source, type)) {
        if (lastName(node.callee) !== "RegExp") {
          continue;
        }
        const pattern = stringOf(node.arguments[0]);
        const fault =
          pattern === undefined
            ? "is made at run time, and can't be checked: write it out, or say why its parts are harmless"
            : faultOf(pattern, stringOf(node.arguments[1]) ?? "");
        if (fault !== undefined) {
          yield { node, message: fault };
        }
      }
    }
  },
};

function faultOf(pattern: string, flags: string): string | undefined {
  // What `v` adds are sets of characters, which recheck does not read; `u` is the same without them.
  const checked = checkSync(pattern, flags.replace("v", "u"), { timeout: 60_000 });
  switch (checked.status) {
    case "safe":
      return undefined;
    case "vulnerable":
      return `takes ${checked.complexity.summary} time over ${checked.attack.pattern.slice(0, 80)}`;
    case "unknown":
      return `could not be checked (${checked.error.kind}): write it more simply`;
    default:
      return checked satisfies never;
  }
}
