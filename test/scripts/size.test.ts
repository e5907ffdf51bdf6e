import { mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import type { Bundle, BundleSize } from "../../scripts/size/bundles.ts";
import { explainExcess, measureBundle } from "../../scripts/size/bundles.ts";

/** Measures a page that loads one module at once, and another later. */
async function measurePage(
  limitBytes: number,
  goal: (entry: string) => Bundle["goal"] = () => 10,
): Promise<BundleSize> {
  using folder = mkdtempDisposableSync(join(tmpdir(), "plugboard-size-test-"));
  const file = (name: string, text: string) => {
    const path = join(folder.path, name);
    writeFileSync(path, text);
    return path;
  };
  file("now.js", `export const now = ${JSON.stringify(crypto.randomUUID().repeat(3))};`);
  file("later.js", `console.log(${JSON.stringify(crypto.randomUUID().repeat(30))});`);
  const page = file("page.js", 'import { now } from "./now.js"; console.log(now); await import("./later.js");');
  const entry = relative(".", page);
  return await measureBundle({
    name: "a page",
    entry,
    options: { bundle: true, splitting: true, format: "esm", platform: "browser", target: "es2024" },
    goal: goal(entry),
    limitBytes,
  });
}

test("has a goal that is so many times the size of another bundle", async () => {
  const { gzipBytes, goalBytes } = await measurePage(10_000, (entry) => ({ times: 1.5, entry }));
  expect(goalBytes).toBe(Math.floor(1.5 * gzipBytes));
});

test("counts what is loaded at once, and tells apart what is loaded later", async () => {
  const { gzipBytes, totalGzipBytes } = await measurePage(10_000);
  expect(gzipBytes).toBeGreaterThan(36);
  expect(totalGzipBytes).toBeGreaterThan(gzipBytes + 36);
});

test("takes a bundle that is no larger than its limit", async () => {
  const size = await measurePage(10_000);
  expect(explainExcess({ ...size, limitBytes: size.gzipBytes })).toBeUndefined();
});

test("says of one that is larger its name, size and limit, and what is largest in it", async () => {
  const size = await measurePage(50);
  const problem = explainExcess(size);
  expect(problem).toContain(`a page: ${size.gzipBytes} bytes gzipped, ${size.gzipBytes - 50} over its limit of 50.`);
  const [[largest, bytes] = ["", 0]] = size.largest;
  expect(problem).toContain(`${bytes}  ${largest}`);
});
