import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { lacksGo } from "../interop/build-go.ts";
import { buildRunner, runSuite } from "./run-suite.ts";
import { targets } from "./targets.ts";

describe.skipIf(lacksGo)("the conformance suite of Connect, for which go 1.26 has to be on PATH,", () => {
  beforeAll(async () => {
    await buildRunner();
  });

  for (const target of targets) {
    test(`is passed by ${target.name}`, async ({ signal }) => {
      const { passed, failed, complaints } = await runSuite(target, signal);
      console.log(`${target.name}: ${passed} passed, ${failed} failed`);
      expect(complaints).toBe("");
      expect(failed).toBe(0);
      expect(passed).toBeGreaterThan(0);
    });
  }

  test("is used by programs without type errors", async () => {
    // They are checked here, as without go there is nothing that they could import.
    await promisify(execFile)("tsc", ["--noEmit", "-p", `${import.meta.dirname}/programs`]);
  });
});
