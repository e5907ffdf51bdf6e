/** Checks that no folder of code has more files than a reader takes in at a glance. */
import { execFileSync } from "node:child_process";
import { fullFolders, mostFiles } from "./folders/full-folders.ts";

const files = execFileSync("git", ["ls-files", "-z"], { encoding: "utf8" }).split("\0").filter(Boolean);
const full = fullFolders(files);
for (const [folder, count] of full) {
  console.error(`${folder}/ has ${count} files: ${mostFiles} at most. Give its second idea a folder of its own`);
}
if (full.size > 0) {
  process.exitCode = 1;
} else {
  console.log(`no folder of code has more than ${mostFiles} files`);
}
