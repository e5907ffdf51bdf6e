import type { Scan } from "./scan.ts";
import { keyOf, lastName, type Node, nodesOf, stringOf, within } from "./source.ts";

const writers = /^(?:(?:write|append|copy)File(?:Sync)?|createWriteStream)$/;
const openers = /^open(?:Sync)?$/;
const movers = /^rename(?:Sync)?$/;
/** Flags that are numbers: https://nodejs.org/api/fs.html#file-open-constants */
const writing = new Set(["O_APPEND", "O_CREAT", "O_RDWR", "O_TRUNC", "O_WRONLY"]);
const excluding = new Set(["O_EXCL", "COPYFILE_EXCL"]);

/** Files written in place: a reader, or a crash, sees half of one, and a link that waits there is followed. */
export const fileWrites: Scan = {
  name: "file-writes",
  *find(source) {
    const renames = source.places.some(
      ({ node }) => node.type === "CallExpression" && movers.test(lastName(node.callee) ?? ""),
    );
    for (const { node } of nodesOf(source, "CallExpression")) {
      const name = lastName(node.callee) ?? "";
      const writes = writers.test(name) || (openers.test(name) && opensToWrite(node.arguments[1]));
      if (writes && !node.arguments.some(isExclusive)) {
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

function opensToWrite(flags: Node | undefined): boolean {
  return flags !== undefined && (/^[wa]|\+/.test(stringOf(flags) ?? "") || names(flags, writing));
}

/** True if it makes a new file or fails: O_EXCL, as a flag or as the option of that name. */
function isExclusive(argument: Node): boolean {
  if (argument.type === "ObjectExpression") {
    return argument.properties.some(
      (property) =>
        property.type === "Property" && /^flags?$/.test(keyOf(property) ?? "") && isExclusive(property.value),
    );
  }
  return /^[wa]x/.test(stringOf(argument) ?? "") || names(argument, excluding);
}

/** True if one of these constants stands in it. */
function names(value: Node, constants: ReadonlySet<string>): boolean {
  return [...within(value)].some((node) => constants.has(lastName(node) ?? ""));
}
