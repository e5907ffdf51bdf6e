import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

test("what pipes into stdout goes on when the host no longer reads", () => {
  const told = execFileSync("node", ["test/plugin-process/fixtures/pipe-unread.ts"], {
    encoding: "utf8",
    timeout: 20_000,
  });
  expect(told).toBe("ended\n");
});
