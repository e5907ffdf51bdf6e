import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { goProgram, lacksGo } from "./go-programs.ts";

const magicCookieText = "is a plugin";

describe.skipIf(lacksGo)("programs made with go-plugin, for which go has to be on PATH", () => {
  test.for(["./plugin", "github.com/hashicorp/go-plugin/examples/grpc/plugin-go-grpc"])(
    "%s is built, and refuses to run without a host",
    { timeout: 300_000 },
    async (packagePath) => {
      const command = await goProgram(packagePath);
      await expect(promisify(execFile)(command)).rejects.toMatchObject({
        code: 1,
        stdout: "",
        stderr: expect.stringContaining(magicCookieText),
      });
      expect(await goProgram(packagePath)).toBe(command);
    },
  );
});
