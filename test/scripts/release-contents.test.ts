import { expect, test } from "vitest";
import { contentFaults } from "../../scripts/release/contents.ts";

const whole = ["README.md", "LICENSE", "package.json", "dist/index.js", "dist/index.d.ts"].map(
  (file) => `package/${file}`,
);
const manifest = { exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } } };

test("a tarball with what its exports name is whole", () => {
  expect(contentFaults(whole, manifest)).toEqual([]);
});

test("a file that exports name and a tarball lacks is missing", () => {
  expect(contentFaults(whole.slice(0, -1), manifest)).toEqual(["package/dist/index.d.ts is missing"]);
});

test.each([
  "package/.env",
  "package/test/a.js",
  "package/src/key.pem",
  "package/dist/a.test.js",
  "package/dist/.tsbuildinfo",
  "package/biome.json",
])("a tarball does not hold %s", (file) => {
  expect(contentFaults([...whole, file], manifest)).toEqual([`${file} is not for users`]);
});
