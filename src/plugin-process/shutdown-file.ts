import * as fs from "node:fs";
import * as path from "node:path";
import type { Log } from "../base/log.ts";

/** Milliseconds between looks, where changes are not told: other machines' file systems, directories that come later. */
const pollMs = 1_000;
/** After so many failures in a row, looking is given up. */
const maxFailures = 3;

/**
 * Waits for a file; when it is there, removes it and calls back, once. Does not keep the process running.
 * @returns Stops waiting.
 */
export function watchForFile(file: string, onAppear: () => void, log: Log): () => void {
  let failures = 0;
  let watcher: fs.FSWatcher | undefined;
  const timer = setInterval(look, pollMs).unref();
  const stop = () => {
    clearInterval(timer);
    watcher?.close();
  };
  function look() {
    try {
      if (fs.statSync(file, { throwIfNoEntry: false }) === undefined) {
        failures = 0;
        return;
      }
    } catch (error) {
      failures += 1;
      if (failures === maxFailures) {
        stop();
        log.line("ERROR", `no longer looking for ${file}: ${String(error)}`);
      }
      return;
    }
    stop();
    remove(file, log);
    onAppear();
  }
  try {
    watcher = fs.watch(path.dirname(file), { persistent: false }, look).on("error", () => watcher?.close());
  } catch {
    // allowed empty-catch: there is no such directory yet, or the file system does not tell of changes. There is still the timer.
  }
  look();
  return stop;
}

function remove(file: string, log: Log) {
  try {
    fs.rmSync(file);
  } catch (error) {
    log.line("WARNING", `the shutdown file ${file} can't be removed: ${String(error)}`);
  }
}
