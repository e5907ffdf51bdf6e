import type { Scan } from "./scan.ts";
import { importedFrom, keyOf, lastName, nodesOf, stringOf } from "./source.ts";

const shells = /(?:^|[\\/])(?:sh|bash|dash|zsh|cmd|cmd\.exe|powershell|powershell\.exe|pwsh)$/i;
const runners = new Set(["spawn", "spawnSync", "execFile", "execFileSync"]);

/** Child processes by a shell: it reads what was meant as a word as commands. */
export const shell: Scan = {
  name: "shell",
  *find(source) {
    const imported = importedFrom(source, "child_process");
    if (imported.size === 0) {
      return;
    }
    for (const { node, parent } of nodesOf(source, "Identifier")) {
      const original = imported.get(node.name);
      const outer = parent?.node;
      const isWord =
        outer?.type === "ImportSpecifier" ||
        (outer?.type === "MemberExpression" && outer.property === node && !outer.computed);
      const meant = original === "*" && outer?.type === "MemberExpression" ? lastName(outer) : original;
      if (!isWord && (meant === "exec" || meant === "execSync")) {
        yield { node, message: `${meant} runs a shell: use execFile or spawn with the arguments as a list` };
      }
    }
    for (const { node } of nodesOf(source, "Property")) {
      if (keyOf(node) === "shell" && !(node.value.type === "Literal" && node.value.value === false)) {
        yield { node, message: "the option shell runs a shell: leave it out" };
      }
    }
    for (const { node } of nodesOf(source, "CallExpression")) {
      const program = stringOf(node.arguments[0]);
      if (runners.has(lastName(node.callee) ?? "") && program !== undefined && shells.test(program)) {
        yield { node, message: `${program} is a shell: start the program itself` };
      }
    }
  },
};
