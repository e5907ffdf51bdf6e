import { expect, test } from "vitest";
import { fullFolders } from "../../scripts/check/folders/full-folders.ts";

const filesIn = (folder: string, count: number) => Array.from({ length: count }, (_, index) => `${folder}/${index}.ts`);

test.each(["src/node", "src/node/http", "test/host/fixtures", "packages/redis/src"])(
  "a sixteenth file in %s is one too many",
  (folder) => {
    const files = [...filesIn(folder, 15), ...filesIn(`${folder}/inner`, 15)];
    expect(fullFolders(files)).toEqual(new Map());
    expect(fullFolders([...files, `${folder}/one-more.ts`])).toEqual(new Map([[folder, 16]]));
  },
);

test("pages and settings may lie side by side in any number", () => {
  const settings = Array.from({ length: 20 }, (_, index) => `.setting-${index}`);
  expect(fullFolders([...filesIn("docs", 20), ...settings])).toEqual(new Map());
});
