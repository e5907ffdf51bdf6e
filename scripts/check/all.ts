/** Runs the check:* scripts of package.json in the order they stand there and stops at the first that fails. */
import { spawnSync } from "node:child_process";
import manifest from "../../package.json" with { type: "json" };

const checks = Object.keys(manifest.scripts).filter((name) => name.startsWith("check:"));
const failed = checks.find((name) => {
  console.log(`\n> ${name}`);
  return spawnSync("npm", ["run", "--silent", name], { stdio: "inherit" }).status !== 0;
});

if (failed === undefined) {
  console.log(`\n${checks.length} checks passed`);
} else {
  console.error(`\n${failed} failed`);
  process.exitCode = 1;
}
