import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { hostError } from "../../src/host/errors.ts";
import { isTransient } from "../../src/host/is-transient.ts";

test.each([
  ["a module is missing", `import "./no-such-module.mjs"`],
  ["the program is misspelt", "const const"],
  [
    "an error of ours is not caught",
    `import { definePlugin } from "plugboard"; definePlugin({ name: "My Plugin!", version: "1.0.0", routes() {} })`,
  ],
])("a start is not repeated if %s", (_, program) => {
  const args = ["--conditions=plugboard-source", "--input-type=module", "--eval", program];
  let printed = "";
  try {
    execFileSync("node", args, { stdio: "pipe", encoding: "utf8" });
  } catch (error) {
    printed = String((error as { stderr: unknown }).stderr).replace(/^/gm, "  | ");
  }
  expect(printed).not.toBe("");
  expect(isTransient(hostError("PB-HANDSHAKE-EXITED", `it printed:\n${printed}`))).toBe(false);
  expect(printed).not.toContain("isWireError");
});
