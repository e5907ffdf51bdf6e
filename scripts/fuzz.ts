// Attacks every target of test/attacks/fuzz with a million generated inputs, or as many as FUZZ_INPUTS says. What stands on
// the command line goes to vitest.
import { spawnSync } from "node:child_process";

const { FUZZ_INPUTS = "1000000" } = process.env;
const { status } = spawnSync(
  "vitest",
  [
    "run",
    "--project",
    "attacks",
    "test/attacks/fuzz",
    "--silent=false",
    "--reporter=verbose",
    ...process.argv.slice(2),
  ],
  { env: { ...process.env, FUZZ_INPUTS }, stdio: "inherit" },
);
process.exitCode = status ?? 1;
