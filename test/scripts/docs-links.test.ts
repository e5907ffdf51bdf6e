import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

let outside: string;
let repository: string;
beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), "docs-links-"));
  repository = join(outside, "repository");
  mkdirSync(join(repository, "docs"), { recursive: true });
  writeFileSync(join(outside, "near.md"), "# Near\n");
  writeFileSync(join(repository, "package.json"), '{ "name": "linked", "version": "1.0.0" }');
  writeFileSync(join(repository, "docs/page.md"), "# Page\n");
});
afterEach(() => rmSync(outside, { recursive: true }));

/** The findings of the check of links in a repository with this README. */
function check(readme: string) {
  writeFileSync(join(repository, "README.md"), readme);
  const { status, stderr } = spawnSync(process.execPath, [resolve("scripts/check/docs.ts")], {
    cwd: repository,
    encoding: "utf8",
  });
  return { status, stderr };
}

test("a link to a page and its heading resolves", () => {
  expect(check("[page](docs/page.md#page)\n")).toEqual({ status: 0, stderr: "" });
});

test.each([
  ["[near](../near.md)", "README.md:1: ../near.md: that is out of the repository\n"],
  ["[gone](docs/gone.md)", "README.md:1: docs/gone.md: there is no such file\n"],
  ["[part](docs/page.md#part)", "README.md:1: docs/page.md#part: that page has no such heading\n"],
])("a link is refused: %s", (readme, stderr) => {
  expect(check(readme)).toEqual({ status: 1, stderr });
});
