/** Goes through the deployment of every Worker to every environment, up to where it would leave this machine. */
import { spawnSync } from "node:child_process";

/** In the order they are deployed: what others are bound to comes first. */
const configs = ["wrangler.toml", "workers/page.toml"];
/** The last is none: what `wrangler dev` runs. */
const environments = ["dev", "staging", "production", ""];
const commands = [["deploy"], ["versions", "upload"]];

for (const config of configs) {
  for (const environment of environments) {
    for (const command of commands) {
      const args = [...command, "--dry-run", "--config", config, "--env", environment];
      const { status, stdout, stderr } = spawnSync("wrangler", args, {
        encoding: "utf8",
        env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
      });
      const size = /gzip: (.*)/.exec(stdout)?.[1];
      // A warning is a mistake that wrangler puts up with, such as a table that an environment lacks.
      const failed = status !== 0 || size === undefined || stderr.includes("WARNING");
      console.log(
        `wrangler ${command.join(" ")} --config ${config} --env "${environment}": ${failed ? "FAILED" : size}`,
      );
      if (failed) {
        console.error(stdout + stderr);
        process.exitCode = 1;
      }
    }
  }
}
