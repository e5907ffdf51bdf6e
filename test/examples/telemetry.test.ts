import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("the telemetry example prints one trace of two calls, and what was measured of them", async () => {
  const { stdout, stderr } = await promisify(execFile)("node", [
    "--conditions=plugboard-source",
    "examples/telemetry/traced.ts",
  ]);
  expect(stderr).toBe("");
  const method = "examples.markdown.v1.MarkdownService/Render";
  expect(stdout).toContain(
    [
      `CLIENT ${method} (plugboard)`,
      `  SERVER ${method} (memory)`,
      `    CLIENT ${method} (plugboard)`,
      `      SERVER ${method} (ttrpc)`,
    ].join("\n"),
  );
  expect(stdout).toMatch(/^<h1>hi<\/h1>\n/);
  for (const protocol of ["memory", "ttrpc"]) {
    expect(stdout).toContain(`rpc.server.call.duration ${method} over ${protocol}: 1 recorded`);
    expect(stdout).toContain(`plugboard.server.active_calls ${method} over ${protocol}: 0`);
  }
});
