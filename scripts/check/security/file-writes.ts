import type { Scan } from "./scan.ts";
import { keyOf, lastName, type Node, nodesOf, stringOf } from "./source.ts";

const writers = new Set(["writeFile", "writeFileSync", "createWriteStream"]);
const openers = new Set(["open", "openSync"]);

/** Files written in place: a reader, or a crash, sees half of one, and a link that waits there is followed. */
export const fileWrites: Scan = {
  name: "file-writes",
  *find(source) {
    const renames = source.places.some(
      ({ node }) => node.type === "CallExpression" && /^rename(?:Sync)?$/.test(lastName(node.callee) ?? ""),
    );
    for (const { node } of nodesOf(source, "CallExpression")) {
      const name = lastName(node.callee) ?? "";
      const flag = openers.has(name) ? stringOf(node.arguments[1]) : undefined;
      const writes = writers.has(name) || (flag !== undefined && /^[wa]/.test(flag));
      if (writes && !(flag?.includes("x") || node.arguments.some(isExclusive))) {
        yield {
          node,
          message: renames
            ? 'the file to be renamed may be there already: make it with the flag "wx"'
            : 'writes a file in place: make a new one with the flag "wx", and rename it over the old',
        };
      }
    }
  },
};

/** True for options with a flag that makes a new file or fails: O_EXCL. */
function isExclusive(argument: Node): boolean {
  return (
    argument.type === "ObjectExpression" &&
    argument.properties.some(
      (property) =>
        property.type === "Property" &&
        /^flags?$/.test(keyOf(property) ?? "") &&
        (stringOf(property.value) ?? "").includes("x"),
    )
  );
}
