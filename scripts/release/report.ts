import { spawnSync } from "node:child_process";

/** Runs a program, and reports whether it ends well; else also what it has printed. */
export function run(what: string, command: string, words: readonly string[], cwd: string): void {
  const { status, stdout, stderr } = spawnSync(command, words, { cwd, encoding: "utf8", timeout: 300_000 });
  report(what, status === 0, `${stdout}${stderr}`);
}

/** Prints whether something holds. What does not fails this process in the end, and stops nothing. */
export function report(what: string, holds: boolean, why = ""): void {
  console.log(`${holds ? "ok    " : "FAILED"} ${what}`);
  if (!holds) {
    console.error(why);
    process.exitCode = 1;
  }
}
